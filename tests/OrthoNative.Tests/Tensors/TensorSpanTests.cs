using System.Buffers;
using System.Numerics.Tensors;
using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Tensors;

internal sealed class TensorSpanTests(DeviceKind kind) : DeviceTests(kind)
{
    private static readonly float[] s_six = [1, 2, 3, 4, 5, 6];

    [Test]
    public void Elements_and_shape_come_from_a_tensor_span()
    {
        using Tensor tensor = Tensor.From(Device, new ReadOnlyTensorSpan<float>(s_six, [1, 3, 2]));

        Assert.That((tensor.DType, tensor.ToString()), Is.EqualTo((DType.Float32, "Float32 [1, 3, 2]")));
        Assert.That(tensor.ToArray<float>(), Is.EqualTo(s_six));
    }

    [Test]
    public void Strided_spans_are_copied_in_the_order_of_their_indices()
    {
        // Columns 1 and 2 of [2, 3], its transpose, and one row for three.
        using Tensor part = Tensor.From(Device, new ReadOnlyTensorSpan<float>(s_six, [2, 3])[NRange.All, 1..3]);
        using Tensor transposed = Tensor.From(Device, new ReadOnlyTensorSpan<float>(s_six, [3, 2], [1, 3]));
        using Tensor repeated = Tensor.From(Device, new ReadOnlyTensorSpan<float>(s_six.AsSpan(0, 2), [3, 2], [0, 1]));

        Assert.That(part.Shape.ToArray(), Is.EqualTo((long[])[2, 2]));
        Assert.That(part.ToArray<float>(), Is.EqualTo((float[])[2, 3, 5, 6]));
        Assert.That(transposed.ToArray<float>(), Is.EqualTo((float[])[1, 4, 2, 5, 3, 6]));
        Assert.That(repeated.ToArray<float>(), Is.EqualTo((float[])[1, 2, 1, 2, 1, 2]));
    }

    [Test]
    public void Spans_of_every_rank_and_stride_are_copied_both_ways([Range(1, 8)] int rank)
    {
        // The last dimension is a part of a longer one; the reference counts through all indices.
        nint[] lengths = [.. Enumerable.Range(0, rank).Select(i => (nint)(1 + (i % 3)))];
        nint[] outer = [.. lengths];
        outer[^1] += 2;
        int count = (int)outer.Aggregate((a, b) => a * b);
        double[] values = Uniform(new Random(rank), count);
        NRange[] range = [.. lengths.Select(length => new NRange(0, length))];
        range[^1] = new NRange(1, 1 + lengths[^1]);
        double[] expected = [.. values.Where((_, i) => i % (int)outer[^1] >= 1 && i % (int)outer[^1] <= (int)lengths[^1])];

        using Tensor tensor = Tensor.From(Device, new ReadOnlyTensorSpan<double>(values, outer).Slice(range));
        double[] written = new double[count];
        tensor.CopyTo(new TensorSpan<double>(written, outer).Slice(range));

        Assert.That(tensor.ToArray<double>(), Is.EqualTo(expected));
        Assert.That(written, Is.EqualTo(values.Select((value, i) => i % (int)outer[^1] >= 1 && i % (int)outer[^1] <= (int)lengths[^1] ? value : 0)));
    }

    [Test]
    public void Copies_overwrite_all_elements_and_are_writes()
    {
        using var tensor = new Tensor(Device, DType.Float32, 2, 3);
        long mark = tensor.Watch.Writes;
        tensor.CopyFrom(new ReadOnlyTensorSpan<float>(s_six, [2, 3]));
        Assert.That(tensor.ToArray<float>(), Is.EqualTo(s_six));
        tensor.CopyFrom(new ReadOnlyTensorSpan<float>(s_six, [2, 3], [1, 2]));
        Assert.That(tensor.ToArray<float>(), Is.EqualTo((float[])[1, 3, 5, 2, 4, 6]));
        Assert.That(tensor.Watch.Writes, Is.EqualTo(mark + 2));

        float[] destination = new float[6];
        tensor.CopyTo(new TensorSpan<float>(destination, [2, 3]));
        Assert.That(destination, Is.EqualTo((float[])[1, 3, 5, 2, 4, 6]));
    }

    [Test]
    public void A_single_number_has_one_length()
    {
        using var number = new Tensor(Device, DType.Float64);
        double[] read = new double[1];
        number.CopyFrom(new ReadOnlyTensorSpan<double>([2.5]));
        number.CopyTo(new TensorSpan<double>(read));

        Assert.That(read, Is.EqualTo((double[])[2.5]));
        AssertRefused(() => number.CopyFrom(new ReadOnlyTensorSpan<double>([1, 2])), "values has shape [2]; it must be [1]");
    }

    [Test]
    public void Arrays_go_the_way_of_spans()
    {
        using var tensor = new Tensor(Device, DType.Float32, 6);
        float[] read = new float[6];
        tensor.CopyFrom<float>(s_six);
        tensor.CopyTo<float>(read);

        Assert.That(read, Is.EqualTo(s_six));
    }

    [Test]
    public void What_does_not_match_is_refused_and_changes_nothing()
    {
        using Tensor tensor = Tensor.From<float>(Device, s_six, 2, 3);
        AssertRefused(() => tensor.CopyFrom(new ReadOnlyTensorSpan<float>(s_six, [3, 2])), "values has shape [3, 2]; it must be [2, 3]");
        AssertRefused(() => tensor.CopyFrom(new ReadOnlyTensorSpan<float>(s_six, [6])), "values has shape [6]; it must be [2, 3]");
        AssertRefused(() => tensor.CopyFrom(new ReadOnlyTensorSpan<float>(s_six.AsSpan(0, 3), [1, 3])), "values has shape [1, 3]; it must be [2, 3]");
        AssertRefused(() => tensor.CopyFrom(default(ReadOnlyTensorSpan<float>)), "values has shape []; it must be [2, 3]");
        AssertRefused(() => tensor.CopyTo(new TensorSpan<float>(new float[6], [1, 2, 3])), "destination has shape [1, 2, 3]; it must be [2, 3]");
        AssertRefused(() => tensor.CopyTo(new TensorSpan<double>(new double[6], [2, 3])), "T is Double; the element type is Float32");
        AssertRefused(() => Tensor.From(Device, default(ReadOnlyTensorSpan<float>)), "values is empty; it must have at least one element");
        AssertRefused(() => Tensor.From(Device, new ReadOnlyTensorSpan<float>(Array.Empty<float>(), [2, 0])), "values is empty");
        AssertRefused(() => Tensor.From(Device, new ReadOnlyTensorSpan<float>(s_six, [1, 1, 1, 1, 1, 1, 1, 2, 3])), "values has 9 dimensions; it must have at most 8");
        AssertRefused(() => Tensor.From(Device, new ReadOnlyTensorSpan<long>([1])), "T is Int64; it must be float, double or int");

        Assert.That(tensor.ToArray<float>(), Is.EqualTo(s_six));
    }

    [Test]
    public void Disposed_tensors_say_so()
    {
        var tensor = new Tensor(Device, DType.Float32, 6);
        tensor.Dispose();

        Assert.That(() => tensor.CopyFrom(new ReadOnlyTensorSpan<float>(s_six)), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => tensor.CopyTo(new TensorSpan<float>(new float[6])), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => tensor.AsTensorSpan<float>().Rank, Throws.TypeOf<ObjectDisposedException>());
    }

    private static void AssertRefused(Action call, string message) => Assert.That(call, Throws.ArgumentException.With.Message.Contains(message));
}
