using System.Globalization;
using System.Numerics;

namespace OrthoNative;

/// <summary>Fraction of the rows whose largest output, the first one of equals, is that of the target class; with weights, of their sum.</summary>
public sealed class Accuracy : Metric
{
    private readonly int? _ignored;
    private Array? _copy;
    private double _correct;
    private double _counted;

    /// <summary>Creates a metric of nothing yet.</summary>
    /// <param name="ignoreIndex">A target that means that there is none: its row does not count. Null, the default: all rows have a target.</param>
    public Accuracy(int? ignoreIndex = null) => _ignored = ignoreIndex;

    /// <inheritdoc/>
    public override string Name => "accuracy";

    /// <inheritdoc/>
    public override bool HigherIsBetter => true;

    /// <inheritdoc/>
    public override double Value => _correct / _counted;

    /// <inheritdoc/>
    public override void Reset() => _correct = _counted = 0;

    /// <inheritdoc/>
    protected override void Update(Tensor outputs, in Targets targets)
    {
        targets.CheckClasses(outputs, nameof(outputs), _ignored);
        if (outputs.DType == DType.Float32)
        {
            Count<float>(outputs, targets);
        }
        else
        {
            Count<double>(outputs, targets);
        }
    }

    private void Count<T>(Tensor outputs, in Targets targets) where T : unmanaged, IFloatingPointIeee754<T>
    {
        int classes = checked((int)outputs.Shape[^1]);
        T[] row = outputs.Device.Kind == DeviceKind.Cpu ? [] : Copy<T>(outputs);
        double correct = 0;
        double counted = 0;
        for (int i = 0; i < targets.Classes.Length; i++)
        {
            float weight = targets.WeightOf(i);
            if (weight == 0 || targets.Classes[i] == _ignored)
            {
                continue;
            }

            ReadOnlySpan<T> values = outputs.Device.Kind == DeviceKind.Cpu ? outputs.Read<T>((long)i * classes, classes) : row.AsSpan(i * classes, classes);
            counted += weight;
            correct += IndexOfLargest(values, (long)i * classes) == targets.Classes[i] ? weight : 0;
        }

        _correct += correct;
        _counted += counted;
    }

    /// <summary>The elements of a tensor on a GPU, in memory that is used again.</summary>
    private T[] Copy<T>(Tensor outputs) where T : unmanaged
    {
        if (_copy is not T[] copy || copy.Length < outputs.Count)
        {
            _copy = copy = new T[outputs.Count];
        }

        outputs.CopyTo<T>(0, copy.AsSpan(0, (int)outputs.Count));
        return copy;
    }

    private static int IndexOfLargest<T>(ReadOnlySpan<T> values, long first) where T : IFloatingPointIeee754<T>
    {
        int largest = 0;
        for (int i = 0; i < values.Length; i++)
        {
            if (!T.IsFinite(values[i]))
            {
                throw new NotFiniteNumberException(
                    string.Create(CultureInfo.InvariantCulture, $"outputs[{first + i}] is {values[i]}; it must be finite."), double.CreateChecked(values[i]));
            }

            largest = values[i] > values[largest] ? i : largest;
        }

        return largest;
    }
}
