using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>Images and labels of MNIST, or of another data set in the same four files.</summary>
/// <remarks>Y. LeCun, C. Cortes, C. Burges: 60,000 training and 10,000 test images of 28 x 28 pixels, digits 0 to 9.</remarks>
public sealed class Mnist
{
    /// <summary>Number of classes.</summary>
    public const int Classes = 10;

    /// <summary>Length of the header of a label file: magic number and count.</summary>
    private const int LabelOffset = 8;

    private readonly IdxFile _images;
    private readonly IdxFile _labels;

    private Mnist(IdxFile images, IdxFile labels)
    {
        _images = images;
        _labels = labels;
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

    /// <summary>The labels, 0 to 9, one for each image.</summary>
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
    /// <param name="directory">Where the files are, plain or gzip-compressed with <c>.gz</c> added to the name.</param>
    /// <param name="split">Training or test images.</param>
    /// <exception cref="ArgumentException">The directory is empty, or <paramref name="split"/> is none of the two.</exception>
    /// <exception cref="FileNotFoundException">A file is absent; the message names all four and the directory.</exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">A file may not be read.</exception>
    /// <exception cref="InvalidDataException">
    /// A file is damaged or of another kind (see <see cref="IdxFile.Read"/>), the number of labels is not the number of
    /// images, or a label is above 9.
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
        string imagePath = DatasetDownload.Locate(directory, Files[first])!;
        string labelPath = DatasetDownload.Locate(directory, Files[first + 1])!;
        IdxFile images = IdxFile.Read(imagePath, dimensions: 3);
        IdxFile labels = IdxFile.Read(labelPath, dimensions: 1);
        if (labels.Data.Length != images.Shape[0])
        {
            throw new InvalidDataException(
                $"{ForeignText.CleanPath(labelPath)}: offset 4: found {labels.Data.Length} labels; " +
                $"expected {images.Shape[0]}, one for each image in {ForeignText.CleanPath(imagePath)}.");
        }

        int wrong = labels.Data.IndexOfAnyExceptInRange((byte)0, (byte)(Classes - 1));
        if (wrong >= 0)
        {
            throw new InvalidDataException(
                $"{ForeignText.CleanPath(labelPath)}: offset {LabelOffset + wrong}: found label {labels.Data[wrong]}; expected 0 to {Classes - 1}.");
        }

        return new Mnist(images, labels);
    }

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
        DatasetDownload.FetchAsync(Files, directory, mirrors ?? Mirrors, progress, cancellationToken);

    /// <summary>What to do about absent files, in one line; null if all four are in the directory.</summary>
    /// <param name="directory">Where they are looked for.</param>
    public static string? MissingMessage(string directory)
    {
        List<string> missing = [.. Files.Where(file => DatasetDownload.Locate(directory, file) is null).Select(file => file.Name)];
        string state = missing.Count == Files.Count ? "is not" : $"lacks {string.Join(", ", missing)}";
        return missing.Count == 0
            ? null
            : $"MNIST {state} in '{ForeignText.CleanPath(directory)}'; put the four files {string.Join(", ", Files.Select(file => file.Name))} there, " +
              "plain or gzip-compressed as .gz";
    }
}
