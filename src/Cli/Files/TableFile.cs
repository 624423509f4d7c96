using OrthoNative.Arrow;
using OrthoNative.Data;

namespace OrthoNative.Cli.Files;

/// <summary>A row of a table of whatever format.</summary>
internal abstract class TableRow
{
    /// <summary>Number of values.</summary>
    public abstract int Count { get; }

    /// <summary>Number of the line, or of the row in a file that is no text, from 1.</summary>
    public abstract long Line { get; }

    /// <summary>Text of a value, empty if it is missing; valid until the next one is asked for.</summary>
    public abstract ReadOnlySpan<char> Text(int column);
}

/// <summary>A table of whatever format.</summary>
internal sealed class TableFile
{
    private readonly DataSource _source;

    private TableFile(DataSource source, DataFormat format, TextFormat? text, IReadOnlyList<string> names, IReadOnlyList<ColumnKind>? kinds)
    {
        (_source, Format, Text, Kinds) = (source, format, text, kinds);
        Names = TableLayout.NamesOf(Enumerable.Range(0, names.Count), new TablePlaces(source.Name, "") { Columns = names });
    }

    public DataFormat Format { get; }

    /// <summary>How it is written; null: it is no text.</summary>
    public TextFormat? Text { get; }

    /// <summary>Names of the columns, unlike each other; "column 3" for one that has none.</summary>
    public string[] Names { get; }

    /// <summary>Kinds of the columns; null: text says nothing of them.</summary>
    public IReadOnlyList<ColumnKind>? Kinds { get; }

    public bool HasHeader => Text?.HasHeader != false;

    public string Place => _source.Place;

    /// <summary>What <see cref="TableRow.Line"/> counts.</summary>
    public string LineName => Text is null ? "row" : "line";

    /// <summary>Reads the names of the columns.</summary>
    /// <exception cref="InvalidDataException">The file is damaged.</exception>
    public static TableFile Open(DataSource source, DataFormat format, CancellationToken cancellationToken)
    {
        if (format == DataFormat.Text)
        {
            TextFormat text = TextFormat.Find(source, cancellationToken);
            return new TableFile(source, format, text, text.Names, null);
        }

        return OfColumns(source, format, (places, kinds, _) => new TableFile(source, format, null, places.Columns, kinds), cancellationToken);
    }

    /// <summary>The same table with its text written in another way.</summary>
    public TableFile With(TextFormat text) => new(_source, Format, text, text.Names, null);

    /// <summary>Shows the rows.</summary>
    /// <param name="visit">Gives false for no more.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="InvalidDataException">The file is damaged.</exception>
    public void Visit(Func<TableRow, bool> visit, CancellationToken cancellationToken)
    {
        if (Text is { } text)
        {
            using StreamReader reader = _source.OpenText();
            using var content = new CsvText(reader, _source.Name, text.Options, null, null, cancellationToken);
            using var rows = new CsvRows(content, text.Options);
            var row = new TextRow(rows);
            for (bool isHeader = text.HasHeader; rows.Next(); isHeader = false)
            {
                if (!isHeader && !visit(row))
                {
                    return;
                }
            }

            return;
        }

        OfColumns(
            _source, Format,
            (_, kinds, read) =>
            {
                int[] columns = [.. Enumerable.Range(0, kinds.Length).Where(column => kinds[column] is not (ColumnKind.List or ColumnKind.Other))];
                long before = 0;
                foreach ((int count, ColumnData[] parts) in read(columns))
                {
                    var row = new ColumnRow(kinds.Length, columns, parts) { Before = before };
                    before += count;
                    for (row.At = 0; row.At < count; row.At++)
                    {
                        if (!visit(row))
                        {
                            return 0;
                        }
                    }
                }

                return 0;
            },
            cancellationToken);
    }

    /// <summary>Makes sequences of it.</summary>
    /// <param name="options">Columns by their numbers.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <exception cref="InvalidDataException">The file is damaged, or has values that do not fit.</exception>
    public SequenceData Read(TableOptions options, CancellationToken cancellationToken)
    {
        if (Text is { } text)
        {
            var csv = new CsvOptions
            {
                Separator = text.Separator,
                DecimalSeparator = text.Decimal,
                HasHeader = text.HasHeader,
                HasQuotes = !text.IsPlain,
                Comment = text.IsPlain ? null : '#',
                Form = options.Form,
                SequenceColumn = options.SequenceColumn,
                TimeColumn = options.TimeColumn,
                FeatureColumns = options.FeatureColumns,
                ChannelPattern = options.ChannelPattern,
                LabelColumn = options.LabelColumn,
                LabelPerStep = options.LabelPerStep,
                TargetColumns = options.TargetColumns,
                TargetPerStep = options.TargetPerStep,
                GroupColumn = options.GroupColumn,
                ClassNames = options.ClassNames,
                MissingValues = options.MissingValues,
            };
            using StreamReader reader = _source.OpenText();
            return CsvSequences.Read(reader, _source.Name, csv, null, cancellationToken);
        }

        using Stream stream = _source.Open();
        return Format == DataFormat.Parquet
            ? ParquetSequences.Read(stream, _source.Name, options, null, cancellationToken)
            : ArrowSequences.Read(stream, _source.Name, options, null, cancellationToken);
    }

    private static T OfColumns<T>(DataSource source, DataFormat format, TableReading<T> table, CancellationToken cancellationToken)
    {
        using Stream stream = source.Open();
        using var content = FileContent.Of(stream, cancellationToken);
        return format == DataFormat.Parquet
            ? ParquetSequences.Read(content, source.Name, table, null, cancellationToken)
            : ArrowSequences.Read(content, source.Name, table, null, cancellationToken);
    }

    private sealed class TextRow(CsvRows rows) : TableRow
    {
        public override int Count => rows.Count;

        public override long Line => CsvRows.LineOf(rows.Row);

        public override ReadOnlySpan<char> Text(int column) => rows.Text(column);
    }

    private sealed class ColumnRow : TableRow
    {
        private readonly ColumnData?[] _columns;
        private readonly char[] _scratch = new char[ColumnData.LongestText];

        public ColumnRow(int count, int[] numbers, ColumnData[] parts)
        {
            _columns = new ColumnData?[count];
            for (int i = 0; i < numbers.Length; i++)
            {
                _columns[numbers[i]] = parts[i];
            }
        }

        public int At { get; set; }

        /// <summary>Rows of the parts before.</summary>
        public long Before { get; init; }

        public override int Count => _columns.Length;

        public override long Line => Before + At + 1;

        public override ReadOnlySpan<char> Text(int column) => _columns[column] is not { } data || data.IsMissing(At) ? default : data.Text(At, _scratch).Trim();
    }
}
