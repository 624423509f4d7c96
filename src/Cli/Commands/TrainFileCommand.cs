using System.CommandLine;
using OrthoNative.Cli.Files;
using OrthoNative.Cli.Training;
using OrthoNative.Interop;

namespace OrthoNative.Cli.Commands;

/// <summary><c>orthonative train FILE-OR-FOLDER</c>.</summary>
internal static class TrainFileCommand
{
    public static Command Create()
    {
        var command = new Command("train", "Train a model on a file or folder of sequences, or on a task of the field, and measure it on test samples");
        var file = new Argument<string?>("file")
        {
            Description = "File or folder of sequences: CSV, TSV, .ts, Parquet, Arrow, .npy, .npz, or WAV files",
            HelpName = "FILE",
            Arity = ArgumentArity.ZeroOrOne,
        };
        command.Arguments.Add(file);
        var options = new SettingOptions<FileSettings>(command, new FileSettings());
        DataOptions.Add(options, (s, change) => s with { Data = change(s.Data) });
        AddParts(options);
        AddModel(options);
        AddTraining(options);
        AddRun(options);
        command.SetAction(result =>
        {
            string? path = result.GetValue(file);
            RequireFile(path, command);
            FileSettings settings = options.Read(result, new FileSettings()) with { Path = path! };
            options.Check(result, settings);
            return FileRun.Execute(settings);
        });
        return command;
    }

    private static void RequireFile(string? path, Command command)
    {
        string tasks = string.Join(", ", command.Subcommands.Select(task => task.Name));
        if (path is null)
        {
            throw CliException.Usage($"a file, a folder or a task is missing after 'orthonative train'; choose a path, or one of {tasks}");
        }

        if (!Path.Exists(path))
        {
            throw CliException.Usage(path.StartsWith('-')
                ? UsageErrors.DescribeUnknownOption(path, command)
                : $"'{ForeignText.CleanPath(path)}' is no file or folder, nor a task of 'orthonative train'; {UsageErrors.Suggest(path, command.Subcommands)}choose one that is there, or one of the tasks {tasks}");
        }
    }

    private static void AddParts(SettingOptions<FileSettings> options)
    {
        options.Add("--test", "path", "File or folder of test data, of which nothing is learnt; read as the other one",
            OptionValue.Folder, (s, v) => s with { Test = v }, _ => null);
        options.Add("--test-ids", "patterns", "Test sequences by their identifiers, or file names, with * and ?",
            OptionValue.Names, (s, v) => s with { TestIds = v }, _ => null);
        options.Add("--split", "parts", "Training, validation and test part: fractions, or numbers of sequences, or of steps of a forecast; without the test part where there are test data, by default 0.7,0.15,0.15 or 0.8,0.2",
            OptionValue.Parts, (s, v) => s with { Split = v }, _ => null);
        options.Add("--split-by", "kind", "How sequences are divided; by default by class, by group where there are groups, and a forecast by time",
            OptionValue.Choice<SplitBy>(), (s, v) => s with { SplitBy = v }, _ => null);
    }

    private static void AddModel(SettingOptions<FileSettings> options)
    {
        options.Add("--model", "kind", "Recurrent layers: roa, or one to compare with",
            OptionValue.Choice<ModelChoice>(), (s, v) => s with { Model = v }, s => s.Model);
        options.Add("--layers", "count", "Recurrent layers; by default by the data",
            OptionValue.Whole(1, 1000), (s, v) => s with { Layers = v }, _ => null);
        options.Add("--hidden", "units", "Units of a layer; by default by the data",
            OptionValue.Whole(1, 65536), (s, v) => s with { Hidden = v }, _ => null);
        options.Add("--front", "kind", "What reads samples of sound (--mel 0): convolutions, or a recurrent layer at one sample a step",
            OptionValue.Choice<Front>(), (s, v) => s with { Front = v }, _ => Front.Convolution);
        Option<Regime> regime = options.Add("--regime", "kind", "What roa is to be good at: preset of alpha and beta; by default by the data",
            OptionValue.Choice<Regime>(), (s, v) => s with { Regime = v }, _ => null);
        options.Require(regime, s => s.Model == ModelChoice.Roa, s => $"--regime is {s.Regime!.Value.ToName()} and --model is {s.Model.ToName()}", "--model roa");
        options.Add("--bidirectional", "choice", "Read sequences from both ends; by default no",
            OptionValue.Choice<Answer>(), (s, v) => s with { Bidirectional = v == Answer.Yes }, _ => null);
    }

    private static void AddTraining(SettingOptions<FileSettings> options)
    {
        options.Add("--augment", "choice", "Vary training sequences in speed and position; by default by the data",
            OptionValue.Choice<Answer>(), (s, v) => s with { Augment = v == Answer.Yes }, _ => null);
        options.Add("--dropout", "rate", "Probability with which a unit is dropped in training; by default by the data",
            OptionValue.Number(0, 1, below: true), (s, v) => s with { Dropout = v }, _ => null);
        options.Add("--epochs", "count", "Most passes over the training samples; by default by the data",
            OptionValue.Whole(1, 1_000_000), (s, v) => s with { Epochs = v }, _ => null);
        options.Add("--patience", "epochs", "Epochs without an improvement of the validation after which training ends; by default by the data",
            OptionValue.Whole(1, 1_000_000), (s, v) => s with { Patience = v }, _ => null);
        options.Add("--batch", "samples", "Samples in a training step; by default by the data",
            OptionValue.Whole(1, 65536), (s, v) => s with { Batch = v }, _ => null);
        options.Add("--lr", "rate", "Learning rate; by default by the data",
            OptionValue.Number(0, 100, above: true), (s, v) => s with { LearningRate = v }, _ => null);
        options.Add("--seed", "number", "Seed of weights, filter, order and parts",
            OptionValue.Whole(0UL, ulong.MaxValue), (s, v) => s with { Seed = v }, s => s.Seed);
    }

    private static void AddRun(SettingOptions<FileSettings> options)
    {
        options.Add("--device", "name", "Device: the CPU, or an NVIDIA GPU by its number",
            OptionValue.Device, (s, v) => s with { Device = v }, s => s.Device);
        Option<int> threads = options.Add("--threads", "count", "Threads of the CPU; 0: what ORTHONATIVE_THREADS says, or as many as there are cores",
            OptionValue.Whole(0, 1024), (s, v) => s with { Threads = v }, s => s.Threads);
        options.Require(threads, s => s.Device.CudaIndex is null, s => $"--threads is {s.Threads} and --device is {s.Device}", "--device cpu");
        options.Add("--out", "folder", "Where run.json, model.safetensors, loss.png and report.html are written; by default runs/<file>-<time>",
            OptionValue.Folder, (s, v) => s with { Out = v }, _ => null);
        options.Add("--save-every", "minutes", "Time between saves during the run, from which --resume can continue even if it is killed; 0: save only at the end",
            OptionValue.Number(0, 1e6), (s, v) => s with { SaveEvery = v }, s => s.SaveEvery);
        options.AddFlag("--overwrite", "Replace a run that is in --out", s => s with { Overwrite = true });
        options.AddFlag("--tensorboard", "Write event files for TensorBoard into --out, too", s => s with { TensorBoard = true });
        options.AddFlag("--resume", "Continue the run in --out that was interrupted or killed; data and all other options must be as they were, except --device, --threads and --save-every", s => s with { Resume = true });
    }
}
