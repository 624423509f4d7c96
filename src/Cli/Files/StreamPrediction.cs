namespace OrthoNative.Cli.Files;

/// <summary>Answers rows as they arrive: a step at once where each has an answer, a forecast from each row on, a sequence when it is over.</summary>
internal static class StreamPrediction
{
    private const string Id = "id", Step = "step";

    /// <summary>Reads to the end.</summary>
    /// <param name="model">The model.</param>
    /// <param name="input">Rows with a header, as in the long form of a table.</param>
    /// <param name="name">Name of the input, for messages.</param>
    /// <param name="writer">Takes the rows.</param>
    /// <exception cref="CliException">The model takes no rows.</exception>
    public static void Run(TrainedModel model, TextReader input, string name, PredictionWriter writer)
    {
        if (model.Data.Form == TableForm.Wide || model.Data.Format is DataFormat.Sound)
        {
            throw CliException.Usage("the model was trained on whole sequences of another form than rows of steps; give a file instead of -");
        }

        var rows = new RowReader(input, name, model.Data);
        float[] row = new float[model.Data.Features.Count];
        string? sequence = null;
        using Answers answers = model.Data.Goal switch
        {
            Goal.Forecast => new ForecastAnswers(model, writer),
            Goal.ClassifySteps or Goal.PredictSteps => new StepAnswers(model, writer),
            _ => new SequenceAnswers(model, writer),
        };
        var ended = new HashSet<string>(StringComparer.Ordinal);
        bool isFirst = true;
        while (rows.Read(row))
        {
            if (isFirst || rows.Sequence != sequence)
            {
                answers.EndSequence();
                if (!isFirst && sequence is not null)
                {
                    ended.Add(sequence);
                }

                if (rows.Sequence is { } next && ended.Contains(next))
                {
                    throw new InvalidDataException(Output.Texts.Format($"{name}, line {rows.Line}: the rows of sequence '{Interop.ForeignText.Clean(next)}' come again after those of another one; rows of a sequence must follow each other"));
                }

                (sequence, isFirst) = (rows.Sequence, false);
                answers.BeginSequence(sequence ?? "0");
            }

            answers.Add(row);
            writer.Flush();
        }

        answers.EndSequence();
    }

    /// <summary>Answers the rows of sequences, one sequence after the other.</summary>
    private abstract class Answers(TrainedModel model) : IDisposable
    {
        /// <summary>The model.</summary>
        protected TrainedModel Trained => model;

        /// <summary>Identifier of the sequence.</summary>
        protected string Sequence { get; private set; } = "";

        /// <summary>Rows of the sequence before the one that is added.</summary>
        protected long Count { get; private set; }

        public virtual void BeginSequence(string id) => (Sequence, Count) = (id, 0);

        public void Add(ReadOnlySpan<float> row)
        {
            OnRow(row.ToArray());
            Count++;
        }

        public virtual void EndSequence() { }

        public abstract void Dispose();

        protected abstract void OnRow(float[] row);

        /// <summary>Steps as the model is given them.</summary>
        protected SequenceData ToData(float[] steps) => model.Scaled(SequenceData.Create([steps], model.Data.Features.Count, new SequenceDataOptions
        {
            ChannelNames = model.Data.Features,
            MissingValues = model.Data.Missing,
        }));
    }

    private sealed class StepAnswers : Answers
    {
        private readonly PredictionWriter _writer;
        private readonly CarriedStates _states;
        private readonly float[] _inputs;
        private readonly Tensor _step;

        public StepAnswers(TrainedModel model, PredictionWriter writer)
            : base(model)
        {
            _writer = writer;
            try
            {
                _states = new CarriedStates(model.Model, 1);
            }
            catch (InvalidOperationException exception)
            {
                throw CliException.Usage($"the model cannot answer step by step: {exception.Message.TrimEnd('.')}; give a file instead of -");
            }

            Trained.Model.Training = false;
            _inputs = new float[model.Model.InputSize];
            _step = Tensor.From<float>(model.Model.Device, _inputs, 1, 1, model.Model.InputSize);
        }

        public override void BeginSequence(string id)
        {
            base.BeginSequence(id);
            _states.Reset();
        }

        public override void Dispose()
        {
            _step.Dispose();
            _states.Dispose();
        }

        protected override void OnRow(float[] row)
        {
            ToData(row).Read([0], _inputs, [], []);
            _step.CopyFrom<float>(_inputs);
            var predictions = new Predictions(Trained.Model.OutputSize, 1);
            predictions.Add(_states.Forward(_step), []);
            _states.Advance();
            _writer.Write([PredictionValue.Of(Id, Sequence), PredictionValue.Of(Step, Count), .. Prediction.Values(Trained, predictions, 0, 0)]);
        }
    }

    private sealed class SequenceAnswers(TrainedModel model, PredictionWriter writer) : Answers(model)
    {
        private readonly ModelMeasurement _measurement = new(model);
        private readonly List<float> _steps = [];

        public override void EndSequence()
        {
            if (_steps.Count > 0)
            {
                Predictions predictions = _measurement.Trainer.Predict(ToData([.. _steps]));
                writer.Write([PredictionValue.Of(Id, Sequence), .. Prediction.Values(Trained, predictions, 0, predictions.StepsOf(0) - 1)]);
                writer.Flush();
            }

            _steps.Clear();
        }

        public override void Dispose() => _measurement.Dispose();

        protected override void OnRow(float[] row) => _steps.AddRange(row);
    }

    private sealed class ForecastAnswers(TrainedModel model, PredictionWriter writer) : Answers(model)
    {
        private readonly ModelMeasurement _measurement = new(model);
        private readonly Queue<float[]> _latest = new();

        public override void BeginSequence(string id)
        {
            base.BeginSequence(id);
            _latest.Clear();
        }

        public override void Dispose() => _measurement.Dispose();

        protected override void OnRow(float[] row)
        {
            _latest.Enqueue(row);
            if (_latest.Count > Trained.Data.LookBack)
            {
                _latest.Dequeue();
            }

            if (_latest.Count < Trained.Data.LookBack)
            {
                return;
            }

            Predictions predictions = _measurement.Trainer.Predict(ToData([.. _latest.SelectMany(values => values)]));
            foreach (IReadOnlyList<PredictionValue> line in Prediction.ForecastRows(Trained, Sequence, predictions[0]))
            {
                // The row from which it is forecast, counted from 0, beside the step ahead.
                writer.Write([line[0], PredictionValue.Of("row", Count), .. line.Skip(1)]);
            }
        }
    }
}
