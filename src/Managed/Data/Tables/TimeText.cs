namespace OrthoNative;

/// <summary>Dates and times of ISO 8601.</summary>
internal static class TimeText
{
    /// <summary>
    /// Reads a date, or a date and a time, with or without zone: <c>2016-07</c>, <c>2016-07-01</c>, <c>2016-07-01 06:00</c>, <c>2016-07-01T06:00:00.5+02:00</c>. Without zone it is UTC.
    /// </summary>
    /// <param name="text">The text.</param>
    /// <param name="seconds">Seconds since 1970-01-01 00:00 UTC.</param>
    /// <returns>False: it is no such text, or there is no such day.</returns>
    public static bool TryParse(ReadOnlySpan<char> text, out double seconds)
    {
        seconds = 0;
        if (!Digits(ref text, 4, out int year) || year < 1 || !Take(ref text, '-') || !Digits(ref text, 2, out int month) || month is < 1 or > 12)
        {
            return false;
        }

        int day = 1;
        if (Take(ref text, '-') && (!Digits(ref text, 2, out day) || day < 1 || day > DateTime.DaysInMonth(year, month)))
        {
            return false;
        }

        double fraction = 0;
        long whole = (new DateTime(year, month, day, 0, 0, 0, DateTimeKind.Utc) - DateTime.UnixEpoch).Ticks / TimeSpan.TicksPerSecond;
        if (Take(ref text, 'T') || Take(ref text, 't') || Take(ref text, ' '))
        {
            if (!Digits(ref text, 2, out int hour) || hour > 23 || !Take(ref text, ':') || !Digits(ref text, 2, out int minute) || minute > 59)
            {
                return false;
            }

            int second = 0;
            if (Take(ref text, ':') && (!Digits(ref text, 2, out second) || second > 59 || !Fraction(ref text, out fraction)))
            {
                return false;
            }

            if (!Zone(ref text, out int offset))
            {
                return false;
            }

            whole += (hour * 3600) + (minute * 60) + second - offset;
        }

        seconds = whole + fraction;
        return text.IsEmpty;
    }

    /// <summary>Reads a zone, if there is one.</summary>
    /// <param name="text">What is behind the time.</param>
    /// <param name="offset">Seconds that the zone is before UTC.</param>
    private static bool Zone(ref ReadOnlySpan<char> text, out int offset)
    {
        offset = 0;
        text = text.TrimStart(' ');
        if (text.IsEmpty || Take(ref text, 'Z') || Take(ref text, 'z'))
        {
            return true;
        }

        int sign = Take(ref text, '+') ? 1 : Take(ref text, '-') ? -1 : 0;
        if (sign == 0 || !Digits(ref text, 2, out int hours) || hours > 23)
        {
            return false;
        }

        int minutes = 0;
        if (!text.IsEmpty && ((Take(ref text, ':') && text.IsEmpty) || !Digits(ref text, 2, out minutes) || minutes > 59))
        {
            return false;
        }

        offset = sign * ((hours * 3600) + (minutes * 60));
        return true;
    }

    /// <summary>Reads a decimal point or comma and digits, if they are there.</summary>
    private static bool Fraction(ref ReadOnlySpan<char> text, out double fraction)
    {
        fraction = 0;
        if (!Take(ref text, '.') && !Take(ref text, ','))
        {
            return true;
        }

        int length = text.IndexOfAnyExceptInRange('0', '9') is var end && end < 0 ? text.Length : end;
        long digits = 0, scale = 1;
        for (int i = 0; i < Math.Min(length, 15); i++)
        {
            digits = (digits * 10) + (text[i] - '0');
            scale *= 10;
        }

        fraction = (double)digits / scale;
        text = text[length..];
        return length > 0;
    }

    private static bool Take(ref ReadOnlySpan<char> text, char character)
    {
        if (text.IsEmpty || text[0] != character)
        {
            return false;
        }

        text = text[1..];
        return true;
    }

    private static bool Digits(ref ReadOnlySpan<char> text, int count, out int number)
    {
        number = 0;
        if (text.Length < count)
        {
            return false;
        }

        for (int i = 0; i < count; i++)
        {
            if (!char.IsAsciiDigit(text[i]))
            {
                return false;
            }

            number = (number * 10) + (text[i] - '0');
        }

        text = text[count..];
        return true;
    }
}
