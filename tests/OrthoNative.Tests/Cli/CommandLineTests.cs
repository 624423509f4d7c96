using OrthoNative.Tests.Data;

namespace OrthoNative.Tests.Cli;

internal sealed class CommandLineTests
{
    [TestCase("--help", "train", "analyze", "info")]
    [TestCase("analyze --help", "depth")]
    [TestCase("analyze depth --help", "--layers", "[default: 10,100,1000,10000]", "--hidden", "report.json")]
    [TestCase("train --help", "adding", "copy", "parity", "modular", "smnist", "psmnist", "mnist")]
    [TestCase("train mnist --help", "--layers", "[default: 100]", "--total-beta", "Set alpha to 1 - beta", "--data")]
    [TestCase(
        "train adding --help", "--length", "--hidden", "--alpha", "--beta", "--convex", "--filter", "--activation", "--epochs", "--steps",
        "--batch", "--lr", "--optimizer", "--clip", "--seed", "--device", "cpu, cuda or cuda:N", "[default: cpu]", "--threads", "--matrix-precision",
        "float32, tf32, bfloat16", "--limit", "--out")]
    [TestCase("train copy --help", "--length", "[default: 1000]", "haar, cycle, permutation, identity")]
    [TestCase("train copy --help", "--model", "one of roa, elman, gru, lstm", "[default: roa]", "[default: 128; 72 with gru; 62 with lstm]", "[default: 1]", "--forget-bias", "[default: 1 with lstm]")]
    [TestCase("train parity --help", "--length", "Longest length of a training sequence", "[default: 32]", "--test-length", "[default: 16384]", "--test-samples", "[default: 64]")]
    [TestCase("train modular --help", "--modulus", "a whole number from 2 to 1024", "--test-length")]
    [TestCase("train smnist --help", "--data", "--download", "--model")]
    [TestCase("train psmnist --help", "--data", "--permutation-seed")]
    public void Help_names_what_there_is(string arguments, params string[] expected)
    {
        CliResult result = Run(arguments);

        Assert.That(result.ExitCode, Is.Zero);
        Assert.That(result.Error, Is.Empty);
        foreach (string text in expected)
        {
            Assert.That(result.Output, Does.Contain(text));
        }
    }

    [Test]
    public void Info_tells_version_instruction_set_cores_and_devices()
    {
        CliResult result = Run("info");

        Assert.That(result.ExitCode, Is.Zero);
        Assert.That(result.Output, Does.Match(@"version +\d+\.\d+\.\d+"));
        Assert.That(result.Output, Does.Match("instruction set +(AVX-512|AVX2|baseline)"));
        Assert.That(result.Output, Does.Match(@"cores +\d+"));
        Assert.That(result.Output, Does.Match("devices +cpu, \\d+ threads?\n +(cuda:0, |no cuda: )"));
    }

    [Test]
    public void A_gpu_that_is_not_there_ends_the_run_with_what_is_missing_and_exit_code_1()
    {
        using var folder = new TemporaryFolder();
        const string Missing = "/nowhere/liborthonative_cuda.so";

        CliResult run = CliProcess.RunWith(("ORTHONATIVE_CUDA_LIBRARY", Missing), folder.Path, "train", "copy", "--device", "cuda", "--out", "run");
        CliResult info = CliProcess.RunWith(("ORTHONATIVE_CUDA_LIBRARY", Missing), folder.Path, "info");

        Assert.That(run.ExitCode, Is.EqualTo(1));
        Assert.That(run.Error.TrimEnd('\n'), Does.StartWith("orthonative: the library liborthonative_cuda.so").And.Contains("NuGet package OrthoNative.Native.Cuda.linux-x64").And.Contains("NVIDIA driver").And.Contains(Missing).And.Not.Contains("\n"));
        Assert.That(info.ExitCode, Is.Zero);
        Assert.That(info.Output, Does.Match($"no cuda: the library liborthonative_cuda.so .*{Missing}"));
        Assert.That(Directory.EnumerateFileSystemEntries(folder.Path), Is.Empty, "nothing is left behind");
    }

    [TestCase("", "train, evaluate, predict, data, analyze, info")]
    [TestCase("fly", "'fly'", "train, evaluate, predict, data, analyze, info")]
    [TestCase("analyze", "depth")]
    [TestCase("analyze width", "'width' is not a command of 'orthonative analyze'", "depth")]
    [TestCase("analyze depth --layers 10,0", "--layers is '10,0'", "whole numbers from 1 to 1000000, with commas between them")]
    [TestCase("analyze depth --layers 10,", "--layers is '10,'", "whole numbers from 1 to")]
    [TestCase("analyze depth --hidden 0", "--hidden is '0'", "from 1 to 65536")]
    [TestCase("train", "adding, copy, parity, modular, smnist, psmnist, mnist")]
    [TestCase("train xor", "'xor'", "adding, copy, parity, modular, smnist, psmnist, mnist")]
    [TestCase("info now", "'now'", "choose the model.safetensors of a run")]
    [TestCase("train copy --colour red", "'--colour' is not an option of 'orthonative train copy'; see 'orthonative train copy --help'")]
    [TestCase("train copy extra", "'extra' is not an option of 'orthonative train copy', nor the value of one", "'orthonative train copy --help'")]
    [TestCase("train smnist --length 3", "'--length'", "'orthonative train smnist --help'")]
    [TestCase("train copy --epochs abc", "--epochs is 'abc'", "a whole number from 1 to")]
    [TestCase("train copy --epochs 0", "--epochs is '0'", "a whole number from 1 to")]
    [TestCase("train copy --epochs", "--epochs has no value", "a whole number from 1 to")]
    [TestCase("train copy --epochs 1 --epochs 2", "--epochs is given 2 times", "once")]
    [TestCase("train copy --epochs 99999999999999999999", "--epochs is '99999999999999999999'", "a whole number from 1 to")]
    [TestCase("train adding --length 1", "--length is '1'", "from 2 to")]
    [TestCase("train parity --length 0", "--length is '0'", "from 1 to 1000000")]
    [TestCase("train parity --test-length 0", "--test-length is '0'", "from 1 to 1000000")]
    [TestCase("train parity --modulus 3", "'--modulus' is not an option of 'orthonative train parity'")]
    [TestCase("train copy --test-length 3", "'--test-length' is not an option of 'orthonative train copy'")]
    [TestCase("train modular --modulus 1", "--modulus is '1'", "a whole number from 2 to 1024")]
    [TestCase("train copy --hidden 65537", "--hidden is '65537'", "from 1 to 65536")]
    [TestCase("train copy --alpha nan", "--alpha is 'nan'", "a number from -10 to 10")]
    [TestCase("train copy --beta 1,5", "--beta is '1,5'", "a number from -10 to 10")]
    [TestCase("train copy --lr 0", "--lr is '0'", "a number above 0")]
    [TestCase("train copy --lr infinity", "--lr is 'infinity'", "a number above 0")]
    [TestCase("train copy --momentum 1", "--momentum is '1'", "below 1")]
    [TestCase("train copy --filter random", "--filter is 'random'", "haar, cycle, permutation, identity")]
    [TestCase("train copy --activation 1", "--activation is '1'", "tanh, relu")]
    [TestCase("train copy --optimizer lion", "--optimizer is 'lion'", "sgd, adam, adamw")]
    [TestCase("train copy --seed -1", "--seed is '-1'", "from 0 to 18446744073709551615")]
    [TestCase("train copy --threads 1025", "--threads is '1025'", "from 0 to 1024")]
    [TestCase("train copy --device gpu", "--device is 'gpu'", "cpu, cuda or cuda:N")]
    [TestCase("train copy --device cuda:", "--device is 'cuda:'", "cpu, cuda or cuda:N")]
    [TestCase("train copy --device cuda:-1", "--device is 'cuda:-1'", "cpu, cuda or cuda:N")]
    [TestCase("train copy --device cuda:1 --threads 2", "--threads is 2 and --device is cuda:1", "--threads requires --device cpu")]
    [TestCase("train copy --matrix-precision tf32", "--matrix-precision is tf32 and --device is cpu", "--matrix-precision requires --device cuda")]
    [TestCase("train copy --device cuda --matrix-precision half", "--matrix-precision is 'half'", "float32, tf32, bfloat16")]
    [TestCase("train copy --convex --alpha 0.5", "--alpha is 0.5", "--convex", "only one of the two may be given")]
    [TestCase("train copy --steps 1000000000", "--steps", "1000000000", "at most 42949672")]
    [TestCase("train copy --length 1000000 --batch 60000 --steps 1", "--batch is 60000", "at most 214")]
    [TestCase("train mnist --layers 0", "--layers is '0'", "from 1 to 1000000")]
    [TestCase("train mnist --convex --beta 1.5", "--beta is 1.5", "above 0 and at most 1")]
    [TestCase("train mnist --model lstm", "--model is 'lstm' and the model of 'mnist' is feedforward", "--model requires a recurrent task, one of adding, copy, parity, modular, smnist, psmnist")]
    [TestCase("train mnist --model", "--model is given and the model of 'mnist' is feedforward")]
    [TestCase("train mnist --modle roa", "'--modle' is not an option of 'orthonative train mnist'; see '")]
    [TestCase("train mnist --forget-bias 1", "'--forget-bias' is not an option of 'orthonative train mnist'; see '")]
    [TestCase("train copy --model rnn", "--model is 'rnn'; it must be one of roa, elman, gru, lstm")]
    [TestCase("train copy --cell gru", "did you mean --model? see '")]
    [TestCase("train copy --model lstm --filter cycle", "--filter is cycle and --model is lstm", "--filter requires --model roa")]
    [TestCase("train adding --model gru --alpha 0.5", "--alpha is 0.5 and --model is gru", "--alpha requires --model roa")]
    [TestCase("train smnist --beta 0.5 --model elman", "--beta is 0.5 and --model is elman", "--beta requires --model roa")]
    [TestCase("train psmnist --model lstm --convex", "--convex is given and --model is lstm", "--convex requires --model roa")]
    [TestCase("train copy --model gru --activation relu", "--activation is relu and --model is gru", "--activation requires --model roa or elman")]
    [TestCase("train copy --model lstm --input-offset 0.5", "--input-offset is 0.5 and --model is lstm", "--input-offset requires --model roa")]
    [TestCase("train copy --model elman --bias-offset 1", "--bias-offset is 1 and --model is elman", "--bias-offset requires --model roa")]
    [TestCase("train copy --model gru --forget-bias 2", "--forget-bias is 2 and --model is gru", "--forget-bias requires --model lstm")]
    [TestCase("train copy --forget-bias 2", "--forget-bias is 2 and --model is roa", "--forget-bias requires --model lstm")]
    [TestCase("train mnist --total-beta 2 --beta 0.1", "--total-beta is 2 and --beta is 0.1", "only one of the two may be given")]
    [TestCase("train mnist --input-offset 1", "'--input-offset'", "'orthonative train mnist --help'")]
    [TestCase("train copy --momentum 0.5", "--momentum is 0.5 and --optimizer is adam", "--momentum requires --optimizer sgd")]
    [TestCase("train copy --optimizer sgd --epsilon 1e-9", "--epsilon is 1E-09 and --optimizer is sgd", "--epsilon requires --optimizer adam or adamw")]
    [TestCase("train smnist --mirror http://host/", "--mirror is 'http://host/' and nothing is fetched", "--mirror requires --download")]
    [TestCase("train copy --epsilon 1e-40", "--epsilon is '1e-40'", "a number from 7E-18 to 1")]
    [TestCase("train copy --hiden 8", "'--hiden' is not an option of 'orthonative train copy'; did you mean --hidden? see 'orthonative train copy --help'")]
    [TestCase("train copy --weigth-scale=8", "did you mean --weight-scale? see '")]
    [TestCase("train copy --setps 8", "did you mean --steps? see '")]
    [TestCase("train copy --bacth 8", "did you mean --batch? see '")]
    [TestCase("train copy --sede 8", "did you mean --seed? see '")]
    [TestCase("train copy --stop 8", "did you mean --stop-at? see '")]
    [TestCase("train copy --batchsize 8", "did you mean --batch? see '")]
    [TestCase("train copy --leanring-rate 8", "did you mean --lr? see '")]
    [TestCase("train copy --zzzz 8", "'--zzzz' is not an option of 'orthonative train copy'; see '")]
    [TestCase("trian copy", "did you mean train? choose one of ")]
    [TestCase("train snist", "did you mean smnist? choose one that is there, or one of the tasks adding")]
    [TestCase("train copy --convex=yes", "--convex is 'yes'; it takes no value")]
    [TestCase("train copy --convex 0.1", "--convex is '0.1'; it takes no value; --beta sets beta")]
    [TestCase("train copy --convex -0.1", "--convex is '-0.1'; it takes no value")]
    [TestCase("train copy --steps 3 --resume yes --lr 1", "--resume is 'yes'; it takes no value")]
    [TestCase("train copy --batch-size 3", "did you mean --batch? see '")]
    [TestCase("train copy --learning_rate 3", "did you mean --lr? see '")]
    [TestCase("train copy --Hidden 3", "did you mean --hidden? see '")]
    [TestCase("train copy -lr 3", "did you mean --lr? see '")]
    [TestCase("train --steps 5 copy", "'--steps' stands before 'copy'; it must come after 'orthonative train copy'")]
    [TestCase("train --epochs 5 copy", "'--epochs' stands before 'copy'; it must come after 'orthonative train copy'")]
    [TestCase("train --zzz 5 copy", "'--zzz' is not an option of 'orthonative train copy'")]
    [TestCase("train data.csv copy", "'data.csv' stands before 'copy'; it must come after 'orthonative train copy'")]
    [TestCase("train --steps 5", "'--steps' is not an option of 'orthonative train'; see 'orthonative train --help'")]
    [TestCase("copy", "'copy' is not a command of 'orthonative'; did you mean train copy? choose one of train, evaluate, predict, data, analyze, info")]
    [TestCase("analyze depth --layer 3", "did you mean --layers? choose from --layers, --hidden")]
    [TestCase("train smnist --convex --alpha 0.5", "--alpha is 0.5 and --convex sets it to 1 - beta")]
    [TestCase("train smnist --convex --beta 2", "--beta is 2; with --convex it must be above 0 and at most 1")]
    [TestCase("train smnist --mirror ftp://host/", "--mirror is 'ftp://host/'", "http or https")]
    public void A_wrong_command_line_gets_one_line_and_exit_code_2(string arguments, params string[] expected)
    {
        CliResult result = Run(arguments);

        Assert.That(result.ExitCode, Is.EqualTo(2));
        Assert.That(result.Error.TrimEnd('\n'), Does.StartWith("orthonative: ").And.Not.Contains("\n").And.Match(@"; .*\b(must|takes|requires|may be|see|choose|has no|at most)\b"), "and says what is required");
        // Twelve or more names of options are a list that nobody reads.
        Assert.That(result.Error.Split(" --").Length, Is.LessThan(12));
        Assert.That(result.Output, Is.Empty);
        foreach (string text in expected)
        {
            Assert.That(result.Error, Does.Contain(text));
        }
    }

    [TestCase("fly 2>&-", 2)]
    [TestCase("fly 2>/dev/full", 2)]
    [TestCase("info >/dev/full", 1)]
    [TestCase("--help >&-", 1)]
    [Platform("Linux")]
    public void The_exit_code_survives_a_stream_that_cannot_be_written(string commandLine, int exitCode)
    {
        using var folder = new TemporaryFolder();
        (string argument, string redirection) = commandLine.Split(' ') is [var first, var second] ? (first, second) : default;

        CliResult result = CliProcess.RunRedirected(redirection, folder.Path, argument);

        Assert.That(result.ExitCode, Is.EqualTo(exitCode));
        Assert.That(result.Error, redirection[0] == '2' ? Is.Empty : Does.StartWith("orthonative: standard output cannot be written ("));
    }

    private static CliResult Run(string arguments)
    {
        using var folder = new TemporaryFolder();
        CliResult result = CliProcess.Run(folder.Path, arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        Assert.That(Directory.EnumerateFileSystemEntries(folder.Path), Is.Empty, "nothing is left behind");
        return result;
    }
}
