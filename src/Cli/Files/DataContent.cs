namespace OrthoNative.Cli.Files;

/// <summary>What a file or folder of sequences has.</summary>
/// <param name="Data">The sequences, those to train on where there are others to test on.</param>
/// <param name="Test">Sequences of a file of their own to test on; null: there is none.</param>
/// <param name="Settings">How the file became sequences; other files are read in the same way.</param>
/// <param name="Findings">What was found, a sentence each, with the option that changes it.</param>
internal sealed record DataContent(SequenceData Data, SequenceData? Test, DataSettings Settings, IReadOnlyList<string> Findings);
