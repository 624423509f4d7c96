using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>Images and labels of MNIST, or of another data set in the same four files, such as those of EMNIST.</summary>
/// <remarks>Y. LeCun, C. Cortes, C. Burges: 60,000 training and 10,000 test images of 28 x 28 pixels, digits 0 to 9.</remarks>
public sealed class Mnist
{
    /// <summary>Number of classes of MNIST itself. Other data sets may have more: <see cref="ClassCount"/>.</summary>
    private const int Classes = 10;

    /// <summary>Length of the header of a label file: magic number and count.</summary>
    private const int LabelOffset = 8;

    private readonly IdxFile _images;
    private readonly IdxFile _labels;

    private Mnist(IdxFile images, IdxFile labels, int firstLabel, int lastLabel)
    {
        _images = images;
        _labels = labels;
        FirstLabel = firstLabel;
        ClassCount = lastLabel - firstLabel + 1;
    }

    /// <summary>The four files: training images and labels, test images and labels.</summary>
    public static IReadOnlyList<DatasetFile> Files { get; } =
    [
        new("train-images-idx3-ubyte", 47_040_016, "6bbc9ace898e44ae57da46a324031adb"),
        new("train-labels-idx1-ubyte", 60_008, "a25bea736e30d166cdddb491f175f624"),
        new("t10k-images-idx3-ubyte", 7_840_016, "2646ac647ad5339dbf082846283269ea"),
        new("t10k-labels-idx1-ubyte", 10_008, "27ae3e4e09519cfbb04c329615203637"),
    ];

    /// <summary>Public mirrors of the four files.</summary>
    public static IReadOnlyList<Uri> Mirrors { get; } =
    [
        new("https://storage.googleapis.com/cvdf-datasets/mnist/"),
        new("https://ossci-datasets.s3.amazonaws.com/mnist/"),
    ];

    /// <summary>Number of images.</summary>
    public int Count => _images.Shape[0];

    /// <summary>Height of an image in pixels.</summary>
    public int Rows => _images.Shape[1];

    /// <summary>Width of an image in pixels.</summary>
    public int Columns => _images.Shape[2];

    /// <summary>
    /// Number of classes: 10 as long as no label is above 9, else as many as the training labels name, at both parts: 47 for EMNIST's balanced
    /// set, 62 by class, 26 for its letters.
    /// </summary>
    public int ClassCount { get; }

    /// <summary>Label of the first class: 0, or 1 in data sets of more than 10 classes whose training labels begin there, as EMNIST's letters do.</summary>
    public int FirstLabel { get; }

    /// <summary>
    /// The labels as the file has them, one for each image: <see cref="FirstLabel"/> to <see cref="FirstLabel"/> + <see cref="ClassCount"/> - 1.
    /// </summary>
    public ReadOnlySpan<byte> Labels => _labels.Data;

    /// <summary>Pixels of one image, row by row, 0 (background) to 255.</summary>
    /// <param name="index">0 to <see cref="Count"/> - 1.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="index"/> is out of range.</exception>
    public ReadOnlySpan<byte> Image(int index)
    {
        Check.InRange(index, 0, Count - 1);
        int pixels = Rows * Columns;
        return _images.Data.Slice(index * pixels, pixels);
    }

    /// <summary>Loads one part from a directory.</summary>
    /// <param name="directory">
    /// Where the files are, plain or gzip-compressed with <c>.gz</c> added to the name. Names with a dot before <c>idx</c>, as in
    /// <c>train-images.idx3-ubyte</c>, are found, too.
    /// </param>
    /// <param name="split">Training or test images.</param>
    /// <exception cref="ArgumentException">The directory is empty, or <paramref name="split"/> is none of the two.</exception>
    /// <exception cref="FileNotFoundException">A file is absent; the message names all four and the directory.</exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">A file may not be read.</exception>
    /// <exception cref="InvalidDataException">
    /// A file is damaged or of another kind (see <see cref="IdxFile.Read"/>), the number of labels is not the number of images, a label above 9
    /// leaves gaps between the training labels, or a test label is none of them.
    /// </exception>
    public static Mnist Load(string directory, DataSplit split)
    {
        ArgumentException.ThrowIfNullOrEmpty(directory);
        Check.Defined(split);
        if (MissingMessage(directory) is { } message)
        {
            throw new FileNotFoundException(message);
        }

        int first = split == DataSplit.Training ? 0 : 2;
        string imagePath = Locate(directory, Files[first])!;
        string labelPath = Locate(directory, Files[first + 1])!;
        IdxFile images = IdxFile.Read(imagePath, dimensions: 3);
        IdxFile labels = IdxFile.Read(labelPath, dimensions: 1);
        if (labels.Data.Length != images.Shape[0])
        {
            throw new InvalidDataException(
                $"{ForeignText.CleanPath(labelPath)}: offset 4: found {labels.Data.Length} labels; " +
                $"expected {images.Shape[0]}, one for each image in {ForeignText.CleanPath(imagePath)}.");
        }

        // Of the training labels at both parts, so that both have the same classes.
        string trainingPath = Locate(directory, Files[1])!;
        (int firstLabel, int lastLabel) = FindClasses(
            trainingPath, split == DataSplit.Training ? labels.Data : IdxFile.Read(trainingPath, dimensions: 1).Data);
        int wrong = labels.Data.IndexOfAnyExceptInRange((byte)firstLabel, (byte)lastLabel);
        if (wrong >= 0)
        {
            throw WrongLabel(labelPath, labels.Data, wrong, firstLabel, lastLabel);
        }

        return new Mnist(images, labels, firstLabel, lastLabel);
    }

    /// <summary>Range of the training labels. One above 9 may be damage; it is not where all classes below it have images.</summary>
    private static (int First, int Last) FindClasses(string path, ReadOnlySpan<byte> labels)
    {
        Span<bool> present = stackalloc bool[byte.MaxValue + 1];
        foreach (byte label in labels)
        {
            present[label] = true;
        }

        int last = present.LastIndexOf(true);
        if (last < Classes)
        {
            return (0, Classes - 1);
        }

        int first = present[0] ? 0 : 1;
        int gap = present[first..last].IndexOf(false);
        if (gap >= 0)
        {
            // Without the labels beyond the gap, the file is MNIST's or has fewer classes.
            int highest = Math.Max(Classes, first + gap) - 1;
            throw WrongLabel(path, labels, labels.IndexOfAnyExceptInRange((byte)0, (byte)highest), 0, highest);
        }

        return (first, last);
    }

    private static InvalidDataException WrongLabel(string path, ReadOnlySpan<byte> labels, int index, int first, int last) =>
        new($"{ForeignText.CleanPath(path)}: offset {LabelOffset + index}: found label {labels[index]}; expected {first} to {last}.");

    /// <summary>Fetches the absent ones of the four files and verifies their checksums.</summary>
    /// <param name="directory">Made if absent; files that are there are left as they are.</param>
    /// <param name="mirrors">Folders to fetch from, in this order; null: <see cref="Mirrors"/>.</param>
    /// <param name="progress">Told the address of each file before it is asked for.</param>
    /// <param name="cancellationToken">Ends the work.</param>
    /// <exception cref="ArgumentException">As of <see cref="DatasetDownload.FetchAsync"/>.</exception>
    /// <exception cref="IOException">A file could not be had undamaged, or the directory cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">The directory may not be written.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static Task DownloadAsync(
        string directory,
        IReadOnlyList<Uri>? mirrors = null,
        IProgress<Uri>? progress = null,
        CancellationToken cancellationToken = default) =>
        DatasetDownload.FetchAsync(
            directory is null ? Files : [.. Files.Where(file => Locate(directory, file) is null)], directory!, mirrors ?? Mirrors, progress, cancellationToken);

    /// <summary>The remedy for absent files, in one line; null if all four are in the directory.</summary>
    /// <param name="directory">Where they are looked for.</param>
    internal static string? MissingMessage(string directory)
    {
        List<string> missing = [.. Files.Where(file => Locate(directory, file) is null).Select(file => file.Name)];
        string state = missing.Count == Files.Count ? "is not" : $"lacks {string.Join(", ", missing)}";
        return missing.Count == 0
            ? null
            : $"MNIST {state} in '{ForeignText.CleanPath(directory)}'; put the four files {string.Join(", ", Files.Select(file => file.Name))} there, " +
              "plain or gzip-compressed as .gz";
    }

    /// <summary>Path of one of the files; null if it is not there. Some who hand the files on have put a dot into the names.</summary>
    private static string? Locate(string directory, DatasetFile file) =>
        DatasetDownload.Locate(directory, file)
        ?? DatasetDownload.Locate(directory, new DatasetFile(file.Name.Replace("-idx", ".idx", StringComparison.Ordinal), file.Bytes, file.Md5));
}
