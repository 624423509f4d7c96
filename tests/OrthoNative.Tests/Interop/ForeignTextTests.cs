using System.Globalization;
using OrthoNative.Interop;

namespace OrthoNative.Tests.Interop;

internal sealed class ForeignTextTests
{
    // Attributes hold UTF-8, so halves of surrogate pairs are given by their numbers.
    [TestCase(0x00, @"\u0000")]
    [TestCase(0x0A, @"\u000A")]
    [TestCase(0x1B, @"\u001B")]
    [TestCase(0x7F, @"\u007F")]
    [TestCase(0x9B, @"\u009B")]
    [TestCase(0x061C, @"\u061C")]
    [TestCase(0x200B, @"\u200B")]
    [TestCase(0x200F, @"\u200F")]
    [TestCase(0x2028, @"\u2028")]
    [TestCase(0x2029, @"\u2029")]
    [TestCase(0x202E, @"\u202E")]
    [TestCase(0x2066, @"\u2066")]
    [TestCase(0xFEFF, @"\uFEFF")]
    [TestCase(0xD800, @"\uD800")]
    [TestCase(0xDFFF, @"\uDFFF")]
    [TestCase(0xE0041, @"\U000E0041")]
    public void Characters_that_steer_a_terminal_or_the_reading_are_escaped(int character, string escaped)
    {
        string text = character is >= 0xD800 and <= 0xDFFF ? ((char)character).ToString() : char.ConvertFromUtf32(character);

        Assert.That(ForeignText.Clean($"a{text}b"), Is.EqualTo($"a{escaped}b"));
        Assert.That(ForeignText.CleanPath($"a{text}b"), Is.EqualTo($"a{escaped}b"));
        Assert.That(ForeignText.CleanMessage($"a{text}b"), Is.EqualTo(character == '\n' ? "a\nb" : $"a{escaped}b"));
    }

    [Test]
    public void No_character_of_any_plane_gets_through_that_is_not_to_be_seen()
    {
        for (int value = 0; value <= 0x10FFFF; value++)
        {
            string text = value is >= 0xD800 and <= 0xDFFF ? ((char)value).ToString() : char.ConvertFromUtf32(value);
            foreach (char character in ForeignText.Clean(text))
            {
                if (char.IsControl(character) || (char.IsSurrogate(character) && text.Length == 1))
                {
                    Assert.Fail($"U+{value:X}");
                }
            }
        }
    }

    [TestCase("plain")]
    [TestCase("ü 漢字 \U0001F600 'quoted' \\ back")]
    [TestCase("")]
    public void Other_text_stays_as_it_is(string text) => Assert.That(ForeignText.Clean(text), Is.EqualTo(text));

    [Test]
    public void Long_text_is_cut_and_says_how_long_it_was()
    {
        Assert.That(ForeignText.Clean(new string('x', 80)), Is.EqualTo(new string('x', 80)));
        Assert.That(ForeignText.Clean(new string('x', 30_000_000)), Is.EqualTo(new string('x', 80) + "… (30000000 characters)"));
        Assert.That(ForeignText.CleanMessage(new string('\u001b', 30_000_000)).Length, Is.LessThan(6 * 8000 + 40));

        // The end of a path is what tells it.
        string path = ForeignText.CleanPath("/begin/" + new string('x', 5000) + "/end");
        Assert.That(path, Does.StartWith("/begin/").And.EndsWith("/end").And.Length.LessThan(1010));

        // A pair that the cut falls into.
        Assert.That(ForeignText.Clean(new string('x', 79) + "\U0001F600" + "yy"), Is.EqualTo(new string('x', 79) + @"\uD83D… (83 characters)"));
    }

    [Test]
    public void Long_lists_are_cut_and_say_how_much_is_left_out()
    {
        Assert.That(ForeignText.CleanList(["a", "b\n"], 2), Is.EqualTo(@"'a', 'b\u000A'"));
        Assert.That(ForeignText.CleanList(Enumerable.Range(0, 50_000).Select(i => i.ToString(CultureInfo.InvariantCulture)), 50_000), Is.EqualTo("'0', '1', '2', '3', '4', '5', '6', '7' and 49992 more"));
    }
}
