using System.Globalization;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>Divides numbers of samples, which come in an order that does not depend on that of a file.</summary>
internal static class SplitOrder
{
    // Arguments of the callers.
    private static readonly string s_data = Check.Parameter("data"), s_fractions = Check.Parameter("fractions");

    // Uses of the seed: no split has the order of a loader, or of another split.
    private const ulong RandomUse = 16, StratifiedUse = 17, GroupUse = 18, FoldUse = 19, StratifiedFoldUse = 20, GroupFoldUse = 21;

    /// <summary>Sums of the fractions up to each, checked.</summary>
    public static double[] Sums(ReadOnlySpan<double> fractions)
    {
        if (fractions.IsEmpty)
        {
            throw new ArgumentException($"{nameof(fractions)} is empty; at least one is required.", nameof(fractions));
        }

        double[] sums = new double[fractions.Length];
        double sum = 0;
        for (int i = 0; i < sums.Length; i++)
        {
            Check.Positive(fractions[i], string.Create(CultureInfo.InvariantCulture, $"{nameof(fractions)}[{i}]"));
            sums[i] = sum += fractions[i];
        }

        // Rounded sums, as that of 0.7, 0.2 and 0.1, are 1.
        if (sum > 1 + 1e-9)
        {
            throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"{nameof(fractions)} have the sum {sum}; it must be at most 1."), nameof(fractions));
        }

        return sums;
    }

    /// <summary>Cuts a row of elements, with gaps between the parts.</summary>
    /// <param name="count">Number of elements.</param>
    /// <param name="sums">Sums of the fractions.</param>
    /// <param name="gap">Elements between parts.</param>
    /// <param name="what">Name of the elements.</param>
    /// <exception cref="ArgumentException">A part has none.</exception>
    public static (long First, long Count)[] Cut(long count, double[] sums, long gap, string what)
    {
        int gaps = sums.Length - 1;
        long usable = gaps == 0 || gap <= count / gaps ? count - (gap * gaps) : 0;
        var ranges = new (long First, long Count)[sums.Length];
        long before = 0;
        for (int i = 0; i < sums.Length; i++)
        {
            long end = Math.Min((long)Math.Round(sums[i] * usable), usable);
            if (end <= before)
            {
                string but = gap > 0 && gaps > 0 ? string.Create(CultureInfo.InvariantCulture, $" with {gaps} gaps of {gap}") : "";
                throw new ArgumentException(
                    string.Create(CultureInfo.InvariantCulture, $"fractions[{i}] is {sums[i] - (i == 0 ? 0 : sums[i - 1]):G6}; of {count} {what}{but} it must give at least one."), s_fractions);
            }

            ranges[i] = (before + (gap * i), end - before);
            before = end;
        }

        return ranges;
    }

    public static long[][] Random(long[] samples, ReadOnlySpan<double> fractions, ulong seed)
    {
        double[] sums = Sums(fractions);
        (long First, long Count)[] ranges = Cut(samples.Length, sums, 0, "samples");
        long[] order = Permute(samples.Length, seed, RandomUse, 0);
        int[] partOf = Unused(samples);
        for (int part = 0; part < ranges.Length; part++)
        {
            foreach (long place in order.AsSpan((int)ranges[part].First, (int)ranges[part].Count))
            {
                partOf[samples[place]] = part;
            }
        }

        return Parts(samples, partOf, ranges.Length);
    }

    public static long[][] Chronological(long[] samples, ReadOnlySpan<double> fractions, long gap)
    {
        double[] sums = Sums(fractions);
        Check.AtLeast(gap, 0);
        return Array.ConvertAll(Cut(samples.Length, sums, gap, "samples"), range => samples.AsSpan((int)range.First, (int)range.Count).ToArray());
    }

    public static long[][] Stratified(long[] samples, SampleLabels classes, ReadOnlySpan<double> fractions, ulong seed)
    {
        double[] sums = Sums(fractions);
        int[] partOf = Unused(samples);
        double[] carried = new double[sums.Length];
        foreach ((int number, long[] members) in classes.GroupOf(samples))
        {
            RequireMembers(classes, number, members, sums.Length, "part");
            long[] order = Permute(members.Length, seed, StratifiedUse, (uint)number);
            int begin = 0;
            for (int part = 0; part < sums.Length; part++)
            {
                // What is rounded off in one class is made up for in the next ones.
                double wanted = (sums[part] * members.Length) + carried[part];
                int end = (int)Math.Clamp(Math.Round(wanted), begin + 1, members.Length - (sums.Length - 1 - part));

                // A class too small for its fractions owes the next ones no more than any other.
                carried[part] = Math.Clamp(wanted - end, -0.5, 0.5);
                for (; begin < end; begin++)
                {
                    partOf[members[order[begin]]] = part;
                }
            }
        }

        return Parts(samples, partOf, sums.Length);
    }

    public static long[][] ByGroup(long[] samples, SampleLabels groups, ReadOnlySpan<double> fractions, ulong seed)
    {
        double[] sums = Sums(fractions);
        (int Number, long[] Samples)[] all = [.. groups.GroupOf(samples)];
        RequireGroups(all.Length, sums.Length, "part");
        long[] order = Permute(all.Length, seed, GroupUse, 0);
        int[] partOf = Unused(samples);
        long placed = 0;
        int next = 0;
        for (int part = 0; part < sums.Length; part++)
        {
            double wanted = sums[part] * samples.Length;
            int last = all.Length - (sums.Length - 1 - part);
            bool isFirst = true;
            for (; next < last; next++, isFirst = false)
            {
                long[] members = all[order[next]].Samples;

                // Another group belongs here if the part comes closer to its size with it.
                if (!isFirst && Math.Abs(placed + members.Length - wanted) > Math.Abs(placed - wanted))
                {
                    break;
                }

                Array.ForEach(members, sample => partOf[sample] = part);
                placed += members.Length;
            }
        }

        return Parts(samples, partOf, sums.Length);
    }

    public static (long[] Training, long[] Validation)[] KFold(long[] samples, int folds, ulong seed)
    {
        Check.InRange(folds, 2, samples.Length);
        long[] order = Permute(samples.Length, seed, FoldUse, 0);
        int[] foldOf = new int[samples.Length];
        for (int place = 0; place < order.Length; place++)
        {
            foldOf[samples[order[place]]] = place % folds;
        }

        return Folds(samples, foldOf, folds);
    }

    public static (long[] Training, long[] Validation)[] StratifiedKFold(long[] samples, SampleLabels classes, int folds, ulong seed)
    {
        Check.InRange(folds, 2, samples.Length);
        int[] foldOf = new int[samples.Length];
        int next = 0;
        foreach ((int number, long[] members) in classes.GroupOf(samples))
        {
            RequireMembers(classes, number, members, folds, "fold");

            // Dealt out in turn, so that folds differ by one sample at most, of a class and of all.
            foreach (long place in Permute(members.Length, seed, StratifiedFoldUse, (uint)number))
            {
                foldOf[members[place]] = next;
                next = (next + 1) % folds;
            }
        }

        return Folds(samples, foldOf, folds);
    }

    public static (long[] Training, long[] Validation)[] GroupKFold(long[] samples, SampleLabels groups, int folds, ulong seed)
    {
        Check.InRange(folds, 2, samples.Length);
        (int Number, long[] Samples)[] all = [.. groups.GroupOf(samples)];
        RequireGroups(all.Length, folds, "fold");
        int[] foldOf = new int[samples.Length];
        long[] sizes = new long[folds];
        foreach (long[] members in Permute(all.Length, seed, GroupFoldUse, 0).Select(place => all[place].Samples).OrderByDescending(members => members.Length))
        {
            int smallest = Array.IndexOf(sizes, sizes.Min());
            sizes[smallest] += members.Length;
            Array.ForEach(members, sample => foldOf[sample] = smallest);
        }

        return Folds(samples, foldOf, folds);
    }

    public static (long[] Training, long[] Validation)[] RollingOrigin(long[] samples, RollingOriginOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        Check.InRange(options.Initial, 1, Array.MaxLength);
        Check.InRange(options.Horizon, 1, Array.MaxLength);
        Check.InRange(options.Gap, 0, Array.MaxLength);
        long step = options.Step ?? options.Horizon;
        Check.InRange(step, 1, Array.MaxLength, $"{nameof(options)}.{nameof(options.Step)}");
        long needed = options.Initial + options.Gap + options.Horizon;
        if (needed > samples.Length)
        {
            throw new ArgumentException(
                $"data has {samples.Length} samples; it must have at least {needed}: {options.Initial} to learn from, a gap of {options.Gap}, and {options.Horizon} to judge by.", s_data);
        }

        var folds = new (long[] Training, long[] Validation)[((samples.Length - needed) / step) + 1];
        for (int i = 0; i < folds.Length; i++)
        {
            int origin = (int)(options.Initial + (i * step));
            int first = options.Sliding ? origin - (int)options.Initial : 0;
            folds[i] = (samples[first..origin], samples.AsSpan(origin + (int)options.Gap, (int)options.Horizon).ToArray());
        }

        return folds;
    }

    private static long[] Permute(int count, ulong seed, ulong use, uint index)
    {
        long[] order = new long[count];
        RandomNumbers.Permutation(RandomNumbers.SeedOf(seed, use), ortho_stream.ORTHO_STREAM_SHUFFLE, index, order);
        return order;
    }

    private static void RequireMembers(SampleLabels classes, int number, long[] members, int required, string of)
    {
        if (members.Length < required)
        {
            throw new ArgumentException($"{classes.Describe(number)} has {members.Length} samples; it must have at least {required}, one for each {of}.", s_data);
        }
    }

    private static void RequireGroups(int count, int required, string of)
    {
        if (count < required)
        {
            throw new ArgumentException($"The samples have {count} groups; they must have at least {required}, one for each {of}.", s_data);
        }
    }

    /// <summary>A part of none for each sample.</summary>
    private static int[] Unused(long[] samples)
    {
        int[] partOf = new int[samples.Length];
        Array.Fill(partOf, -1);
        return partOf;
    }

    /// <summary>Samples of each part, in their order.</summary>
    private static long[][] Parts(long[] samples, int[] partOf, int count) =>
        [.. Enumerable.Range(0, count).Select(part => Array.FindAll(samples, sample => partOf[sample] == part))];

    private static (long[] Training, long[] Validation)[] Folds(long[] samples, int[] foldOf, int count) =>
        [.. Enumerable.Range(0, count).Select(fold => (Array.FindAll(samples, sample => foldOf[sample] != fold), Array.FindAll(samples, sample => foldOf[sample] == fold)))];
}
