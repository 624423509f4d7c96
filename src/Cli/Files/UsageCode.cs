namespace OrthoNative.Cli.Files;

/// <summary>A short program that uses a trained model, for the report: what the tool does, the library does.</summary>
internal static class UsageCode
{
    /// <summary>The program for a model.</summary>
    public static string Of(FileModel model)
    {
        DataSettings data = model.Content.Settings;
        string steps = data.Goal == Goal.Forecast ? $"the last {data.LookBack} steps" : "steps";
        string inputs = data.Missing == MissingValues.Mask
            ? $"{steps} × {model.Training.Features} inputs: the channels, 0 where a value is missing, then 1 for each channel that has one and 0 for each other"
            : $"{steps} × {model.Training.Features} channels, step by step";
        string answer = data.Goal switch
        {
            Goal.ClassifySequences => """
                float[] logits = model.Forward(inputs).ToArray<float>();
                Console.WriteLine(model.Info.ClassNames[Array.IndexOf(logits, logits.Max())]);
                """,
            Goal.ClassifySteps => """
                foreach (float[] logits in model.Forward(inputs).ToArray<float>().Chunk(model.Info.ClassNames.Count))
                {
                    Console.WriteLine(model.Info.ClassNames[Array.IndexOf(logits, logits.Max())]);
                }
                """,
            _ => """
                float[] outputs = model.Forward(inputs).ToArray<float>();
                model.Info.OutputScaling?.Restore(outputs);
                Console.WriteLine(string.Join(", ", outputs));
                """,
        };
        return $$"""
            using OrthoNative;

            using Model model = Model.Load("model.safetensors", Device.Default);
            float[] sequence = [/* {{inputs}} */];
            model.Info.InputScaling?.Apply(sequence);
            using Tensor inputs = Tensor.From<float>(Device.Default, sequence, sequence.Length / model.InputSize, 1, model.InputSize);
            {{answer}}
            """;
    }
}
