using System.Globalization;
using OrthoNative.Interop;

namespace OrthoNative;

public sealed partial class SequenceData
{
    private const string WavExtension = ".wav";

    /// <summary>Creates data of a folder of WAV files: a sequence for each, in the order of their paths by the codes of their characters.</summary>
    /// <param name="path">The folder.</param>
    /// <param name="options">Labels in file names, and the frames that are the steps. Null: frames of 256 samples, without labels.</param>
    /// <param name="progress">Given the part of the files that was read, 0 to 1; null: nothing.</param>
    /// <param name="cancellationToken">Ends the reading before the next file.</param>
    /// <returns>
    /// Sequences of frames that lie within the sound: what is left at its end is left out. A sound shorter than a frame has one step, filled up with zeros. The id
    /// of a sequence is the path from the folder on, without <c>.wav</c>, if the file's name does not give one.
    /// </returns>
    /// <exception cref="ArgumentException">An option is malformed or does not fit, or a label is none of the option's classes.</exception>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    /// <exception cref="InvalidDataException">
    /// There are no WAV files, a name does not fit the pattern, two names give the same id, a file is damaged (<see cref="WavFile.Read(string)"/>) or has no samples, or sample rates or numbers of channels
    /// differ.
    /// </exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    /// <exception cref="OperationCanceledException">The reading was cancelled.</exception>
    /// <exception cref="UnauthorizedAccessException">A file may not be read.</exception>
    public static SequenceData FromWavFolder(
        string path, WavFolderOptions? options = null, IProgress<double>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        options ??= new WavFolderOptions();
        return FromWavFiles(path, null, options, progress, cancellationToken);
    }

    /// <summary>Creates data of some WAV files of a folder.</summary>
    /// <param name="path">The folder.</param>
    /// <param name="files">Paths from the folder on, with <c>/</c> between folders; null: all files, as <see cref="FromWavFolder"/>.</param>
    /// <param name="options">Labels in file names, and the frames.</param>
    /// <param name="progress">Given the part of the files that was read; null: nothing.</param>
    /// <param name="cancellationToken">Ends the reading before the next file.</param>
    internal static SequenceData FromWavFiles(string path, string[]? files, WavFolderOptions options, IProgress<double>? progress, CancellationToken cancellationToken)
    {
        Check.InRange(options.FrameLength, 1, 1 << 20);
        Check.AtLeast(options.Hop ?? 1, 1, $"{nameof(options)}.{nameof(options.Hop)}");
        Check.InRange(options.MelBands, 0, options.FrameLength);
        Check.NotNegative(options.MinimumFrequency);
        if (options.Pattern is not null && options.Expression is not null)
        {
            throw new ArgumentException(
                $"{nameof(options)} has {nameof(options.Pattern)} and {nameof(options.Expression)}; at most one of them may be given.", nameof(options));
        }

        var pattern = new FileNamePattern(options.Pattern, options.Expression, $"{nameof(options)}.{nameof(options.Pattern)}");
        if (options.ClassNames is not null && !pattern.HasLabels)
        {
            throw new ArgumentException($"{nameof(options)}.{nameof(options.ClassNames)} is given without labels in the file names; it must be null.", nameof(options));
        }

        files ??= FindSounds(path, options.Recursive || options.Pattern?.Contains('/') == true);
        var names = new (string? Label, string? Group, string Id)[files.Length];
        var known = new Dictionary<string, int>(files.Length, StringComparer.Ordinal);
        for (int i = 0; i < files.Length; i++)
        {
            names[i] = pattern.Read(files[i][..^WavExtension.Length], path);
            if (!known.TryAdd(names[i].Id, i))
            {
                throw new InvalidDataException(
                    $"{ForeignText.CleanPath(path)}: found the id '{ForeignText.Clean(names[i].Id)}' in the file names '{ForeignText.Clean(files[known[names[i].Id]])}' and " +
                    $"'{ForeignText.Clean(files[i])}'; expected each id once.");
            }
        }

        SoundFrames? frames = null;
        var sequences = new ReadOnlyMemory<float>[files.Length];
        for (int i = 0; i < files.Length; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            string file = Path.Combine(path, files[i]);
            WavFile sound = WavFile.Read(file);
            frames ??= new SoundFrames(options, sound, files[i]);
            sequences[i] = frames.Of(sound, file);
            progress?.Report((i + 1.0) / files.Length);
        }

        return Create(
            sequences, frames!.Features,
            new SequenceDataOptions
            {
                Ids = Array.ConvertAll(names, name => name.Id),
                Labels = pattern.HasLabels ? Array.ConvertAll(names, name => name.Label!) : null,
                Groups = pattern.HasGroups ? Array.ConvertAll(names, name => name.Group!) : null,
                ClassNames = options.ClassNames,
            },
            nameof(path));
    }

    /// <summary>Paths from a folder on, with <c>/</c> between folders, in order.</summary>
    private static string[] FindSounds(string folder, bool recursive)
    {
        // Not by the pattern of the operating system, which may compare names in its own way.
        string[] files =
        [
            .. Directory.EnumerateFiles(folder, "*", recursive ? SearchOption.AllDirectories : SearchOption.TopDirectoryOnly)
                .Where(file => file.EndsWith(WavExtension, StringComparison.OrdinalIgnoreCase))
                .Select(file => Path.GetRelativePath(folder, file).Replace(Path.DirectorySeparatorChar, '/')),
        ];
        Array.Sort(files, StringComparer.Ordinal);
        return files.Length > 0
            ? files
            : throw new InvalidDataException($"{ForeignText.CleanPath(folder)}: found no files '*{WavExtension}'{(recursive ? " in it or in its folders" : "")}; expected at least one.");
    }

    /// <summary>Cuts sounds into steps.</summary>
    private sealed class SoundFrames
    {
        private readonly int _length;
        private readonly int _hop;
        private readonly bool _isMono;
        private readonly int _channels;
        private readonly int _sampleRate;
        private readonly string _first;
        private readonly LogMel? _mel;
        private readonly int _width;
        private readonly float[] _frame;

        /// <summary>Takes the sample rate of the first sound for that of all.</summary>
        public SoundFrames(WavFolderOptions options, WavFile first, string name)
        {
            _length = options.FrameLength;
            _hop = options.Hop ?? options.FrameLength;
            _isMono = options.Mono;
            _channels = options.Mono ? 1 : first.Channels;
            _sampleRate = first.SampleRate;
            _first = name;
            _frame = new float[_length];
            if (options.MelBands > 0)
            {
                double half = first.SampleRate / 2.0;
                double maximum = options.MaximumFrequency ?? half;
                Check.That(
                    maximum > options.MinimumFrequency && maximum <= half, maximum,
                    string.Create(CultureInfo.InvariantCulture, $"above {nameof(options.MinimumFrequency)}, {options.MinimumFrequency}, and at most {half}, half the sample rate"),
                    $"{nameof(options)}.{nameof(options.MaximumFrequency)}");
                _mel = new LogMel(_length, options.MelBands, first.SampleRate, options.MinimumFrequency, maximum);
            }

            _width = options.MelBands > 0 ? options.MelBands : _length;
        }

        public int Features => _width * _channels;

        /// <summary>[T, features].</summary>
        public float[] Of(WavFile sound, string path)
        {
            string place = ForeignText.CleanPath(path);
            if (sound.SampleRate != _sampleRate)
            {
                throw new InvalidDataException(string.Create(
                    CultureInfo.InvariantCulture,
                    $"{place}: found {sound.SampleRate} samples in a second; expected {_sampleRate}, as '{ForeignText.Clean(_first)}' has. Sounds are not resampled: convert them first."));
            }

            if (!_isMono && sound.Channels != _channels)
            {
                throw new InvalidDataException(string.Create(
                    CultureInfo.InvariantCulture,
                    $"{place}: found {sound.Channels} channels; expected {_channels}, as '{ForeignText.Clean(_first)}' has, or the option {nameof(WavFolderOptions.Mono)}."));
            }

            if (sound.Length == 0)
            {
                throw new InvalidDataException($"{place}: found no samples; expected at least one.");
            }

            int steps = sound.Length < _length ? 1 : 1 + ((sound.Length - _length) / _hop);
            if ((long)steps * Features > Array.MaxLength)
            {
                throw new InvalidDataException(string.Create(CultureInfo.InvariantCulture, $"{place}: found {steps} steps of {Features} numbers; expected at most {Array.MaxLength} numbers in all."));
            }

            float[] rows = new float[steps * Features];
            for (int step = 0; step < steps; step++)
            {
                for (int channel = 0; channel < _channels; channel++)
                {
                    Cut(sound, step * _hop, channel);
                    Span<float> destination = rows.AsSpan((step * Features) + (channel * _width), _width);
                    if (_mel is null)
                    {
                        _frame.CopyTo(destination);
                    }
                    else
                    {
                        _mel.Compute(_frame, destination);
                    }
                }
            }

            return rows;
        }

        /// <summary>Copies a frame of a channel, or of the mean of all.</summary>
        private void Cut(WavFile sound, int start, int channel)
        {
            ReadOnlySpan<float> samples = sound.Samples;
            int channels = sound.Channels;
            int count = Math.Min(_length, sound.Length - start);
            Array.Clear(_frame);
            for (int i = 0; i < count; i++)
            {
                ReadOnlySpan<float> moment = samples.Slice((start + i) * channels, channels);
                if (!_isMono)
                {
                    _frame[i] = moment[channel];
                    continue;
                }

                double sum = 0;
                foreach (float sample in moment)
                {
                    sum += sample;
                }

                _frame[i] = (float)(sum / channels);
            }
        }
    }
}
