using System.Globalization;
using System.Xml.Linq;
using OrthoNative.Cli.Output;
using OrthoNative.Cli.Reports;

namespace OrthoNative.Tests.Cli.Reports;

internal sealed class ReportSectionTests
{
    [Test]
    public void Cells_of_few_classes_have_the_count_and_its_share_of_the_row()
    {
        ReportContent content = ReportSamples.Classification();
        XElement section = Page.Of(content).Section("confusion");

        XElement[] cells = [.. Page.In(section, "table", "matrix").Descendants("td")];
        Assert.That(cells.Select(cell => long.Parse(cell.Element("b")!.Value, CultureInfo.InvariantCulture)), Is.EqualTo(content.Confusion!.Cast<long>()));
        // 66 of 74 and 8 of 74.
        Assert.That(cells[4..8].Select(cell => cell.Element("span")!.Value), Is.EqualTo((string[])["", "89.2 %", "10.8 %", ""]));
        Assert.That(cells.Select((cell, i) => cell.Attribute("class")!.Value.EndsWith(" right", StringComparison.Ordinal) == (i % 5 == 0)), Has.All.True);
        Assert.That(section.Element("p")!.Value, Does.StartWith("279 of 300 test samples are right (93.0\u00A0%)."));
    }

    [Test]
    public void Precision_and_recall_are_those_of_the_counts()
    {
        string[][] rows = Page.Rows(Page.In(Page.Of(ReportSamples.Classification()).Section("confusion"), "table", "list").Single());

        // 66 of 71 predicted, 66 of 74 true, 132 of 145.
        Assert.That(rows[1], Is.EqualTo((string[])["swipe left", "74", "71", "93.0 %", "89.2 %", "91.0 %"]));
        Assert.That(rows.Sum(row => int.Parse(row[1], CultureInfo.InvariantCulture)), Is.EqualTo(300));
        Assert.That(rows.Sum(row => int.Parse(row[2], CultureInfo.InvariantCulture)), Is.EqualTo(300));
    }

    [Test]
    public void A_class_that_is_never_there_or_never_predicted_has_no_share()
    {
        string[][] rows = Page.Rows(Page.In(Page.Of(ReportSamples.Empty() with { Confusion = new long[,] { { 3, 0 }, { 0, 0 } } }).Section("confusion"), "table", "list").Single());

        Assert.That(rows, Is.EqualTo((string[][])[["class 0", "3", "3", "100.0 %", "100.0 %", "100.0 %"], ["class 1", "0", "0", "–", "–", "–"]]));
    }

    [Test]
    public void Counts_of_many_classes_add_up_and_the_worst_confusions_come_first()
    {
        ReportContent content = ReportSamples.ManyClasses();
        XElement section = Page.Of(content).Section("confusion");

        string[] cells = [.. Page.In(section, "table", "dense").Descendants("td").Select(cell => cell.Value)];
        Assert.That(cells, Has.Length.EqualTo(1600));
        Assert.That(cells.Sum(cell => cell.Length > 0 ? int.Parse(cell, CultureInfo.InvariantCulture) : 0), Is.EqualTo(8600));
        int[] counts = [.. Page.Rows(Page.In(section, "table", "list").First()).Select(row => int.Parse(row[2], CultureInfo.InvariantCulture))];
        Assert.That(counts, Has.Length.EqualTo(10).And.Ordered.Descending);
        Assert.That(counts[0], Is.EqualTo(Enumerable.Range(0, 1600).Where(i => i / 40 != i % 40).Max(i => content.Confusion![i / 40, i % 40])));
    }

    [Test]
    public void More_classes_than_a_page_is_wide_have_a_table_alone()
    {
        const int Classes = 300;
        var counts = new long[Classes, Classes];
        for (int i = 0; i < Classes; i++)
        {
            counts[i, i] = i;
            counts[i, 0] += 7;
        }

        XElement section = Page.Of(ReportSamples.Empty() with { Confusion = counts }).Section("confusion");

        Assert.That(Page.In(section, "table", "matrix"), Is.Empty);
        string[][] rows = Page.Rows(Page.In(section, "table", "list").Last());
        Assert.That(rows, Has.Length.EqualTo(200));
        Assert.That(rows[0][..2], Is.EqualTo((string[])["class 1", "8"]));
    }

    [Test]
    public void A_matrix_that_is_not_square_is_refused() => Assert.That(
        () => HtmlReport.Create(ReportSamples.Empty() with { Confusion = new long[,] { { 1, 2 } } }),
        Throws.ArgumentException.With.Message.EqualTo("the confusion matrix is 1 x 2; it must be square"));

    /// <summary>The frame is 24 to 232 pixels high: accuracies of 0, 50 % and 100 % are at 232, 128 and 24.</summary>
    [Test]
    public void Metrics_are_drawn_where_the_axis_says()
    {
        double[] values = [0, 0.5, 1];
        ReportContent content = ReportSamples.Empty() with
        {
            Metric = "accuracy",
            BestEpoch = 3,
            Epochs = [.. values.Select((value, i) => new EpochResult(i + 1, 10 * (i + 1), 2 - i, 0.5, new EvaluationResult(1, new Dictionary<string, double> { ["accuracy"] = value }, 1), 1, 1, 1, 1))],
            Baselines = [("most frequent class", "accuracy", 0.25), ("other", "another metric", 1)],
        };

        XElement figure = Page.Of(content).All("figure").Last();

        XElement[] markers = [.. Page.In(figure.Element("svg")!, "circle", "valid")];
        Assert.That(markers.Select(marker => Page.Number(marker, "cy")), Is.EqualTo((double[])[232, 128, 24]));
        Assert.That(markers.Select(marker => marker.Element("title")!.Value), Is.EqualTo((string[])["epoch 1: validation 0.00 %", "epoch 2: validation 50.00 %", "epoch 3: validation 100.00 %"]));
        Assert.That(markers[^1].Attribute("class")!.Value, Is.EqualTo("ring valid"));
        // From 45, behind labels of five characters, to 446: epochs 0 to 3.
        Assert.That(markers.Select(marker => Page.Number(marker, "cx")), Is.EqualTo((double[])[178.7, 312.3, 446]).Within(0.06));
        Assert.That(Page.In(figure, "text").Select(text => text.Value), Is.SupersetOf((string[])["0 %", "20 %", "100 %", "1", "2", "3"]));
        Assert.That(Page.In(figure, "li").Select(item => item.Value.Trim()), Is.EqualTo((string[])["training", "validation", "most frequent class: 25.00 %", "best epoch: 3"]));
    }

    [TestCase(0.2, false)]
    [TestCase(0.1, false)]
    [TestCase(0.09, true)]
    public void Only_a_loss_that_spans_more_than_a_factor_of_ten_has_a_log_axis(double lowest, bool isLogarithmic)
    {
        var losses = new LossCurve();
        losses.Add(1);
        losses.Add(lowest);

        string[] texts = [.. Page.Of(ReportSamples.Empty() with { Losses = losses, LossName = "cross-entropy (nats)" }).All("text").Select(text => text.Value)];

        Assert.That(texts.Contains("cross-entropy (nats), log scale"), Is.EqualTo(isLogarithmic));
        Assert.That(texts.Contains("cross-entropy (nats)"), Is.Not.EqualTo(isLogarithmic));
    }

    [Test]
    public void A_loss_below_zero_has_a_linear_axis()
    {
        var losses = new LossCurve();
        losses.Add(5);
        losses.Add(0.1);
        losses.Add(-2);

        string[] texts = [.. Page.Of(ReportSamples.Empty() with { Losses = losses }).All("text", "label").Select(text => text.Value)];

        Assert.That(texts, Is.SupersetOf((string[])["-2", "0", "2", "4", "6"]));
    }

    [Test]
    public void The_loss_has_its_lines_its_best_epoch_and_the_name_of_what_it_is_validated_on()
    {
        XElement Loss(ReportContent content) => Page.Of(content).All("figure").First();
        string[] Legend(ReportContent content) => [.. Page.In(Loss(content), "li").Select(item => item.Value.Trim())];

        Assert.That(Legend(ReportSamples.Classification()), Is.EqualTo((string[])["each step", "mean of 24 steps", "validation", "nothing learnt: 1.386", "best epoch: 19"]));
        Assert.That(Legend(ReportSamples.Task()), Is.EqualTo((string[])["each step", "mean of 23 steps", "test", "nothing learnt: 2.303"]));
        Assert.That(Legend(ReportSamples.Interrupted()), Is.EqualTo((string[])["each step", "nothing learnt: 2.079"]));
        Assert.That(Page.In(Loss(ReportSamples.Classification()), "circle", "ring").Count(), Is.EqualTo(1));
        // A single step is a point.
        Assert.That(Page.In(Loss(ReportSamples.Interrupted()).Element("svg")!, "circle").Single().Element("title")!.Value, Is.EqualTo("training step 1: each step 2.302"));
    }

    [Test]
    public void Epochs_are_there_in_numbers()
    {
        XElement table = Page.Of(ReportSamples.OneEpoch()).Section("curves").Descendants("table").Single();

        EpochResult epoch = ReportSamples.OneEpoch().Epochs[0];
        Assert.That(table.Descendants("th").Select(head => head.Value), Is.EqualTo((string[])["epoch", "step", "loss", "accuracy", "validation loss", "validation accuracy", "learning rate", "gradient norm", "time"]));
        Assert.That(Page.Rows(table).Single(), Is.EqualTo((string[])
        [
            "1", "12", Texts.Value(epoch.Loss), Texts.Metric("accuracy", epoch.Metric), Texts.Value(epoch.Validation!.Loss), Texts.Metric("accuracy", epoch.Validation["accuracy"]), "0.0005000", "0.8000", "3s",
        ]));
    }

    [Test]
    public void Worst_examples_have_truth_prediction_and_as_many_channels_as_can_be_seen()
    {
        XElement[] cards = [.. Page.Of(ReportSamples.ManyClasses()).All("article")];
        XElement few = Page.Of(ReportSamples.Classification()).All("article").First();

        Assert.That(cards, Has.Length.EqualTo(12));
        Assert.That(Page.In(cards[0], "path", "spark").Count(), Is.EqualTo(6));
        Assert.That(Page.In(cards[0], "p", "note").Single().Value, Is.EqualTo("58 more channels not shown. Gaps: missing values."));
        Assert.That(few.Element("h3")!.Value, Is.EqualTo("recording 40"));
        Assert.That(few.Descendants("dd").Select(value => value.Value), Is.EqualTo((string[])["swipe left", "swipe right"]));
        Assert.That(Page.In(few, "p", "detail").Single().Value, Is.EqualTo("confidence 99 %"));
        Assert.That(Page.In(few, "text").Select(text => text.Nodes().OfType<XText>().First().Value), Is.SupersetOf((string[])["x", "y", "z", "step 1", "step 120"]));
        // The gap in channel y begins a second line.
        Assert.That(Page.In(few, "path", "spark").Select(path => path.Attribute("d")!.Value.Count(character => character == 'm')), Is.EqualTo((int[])[0, 1, 0]));
    }

    [Test]
    public void Values_have_their_errors_and_every_point()
    {
        XElement section = Page.Of(ReportSamples.Empty() with { Values = [("life", [1, 2, 3, float.NaN], [1, 2, 6, 4]), ("none", [float.NaN], [1])] }).Section("values");

        XElement figure = section.Descendants("figure").Single();
        // Errors 0, 0, 3; squares about the mean of the truth 2.
        Assert.That(figure.Element("p")!.Value, Is.EqualTo("3 values: root mean squared error 1.732, mean absolute error 1.000, mean error 1.000, R² -3.500."));
        Assert.That(Page.In(figure, "path", "points").Single().Attribute("d")!.Value.Count(character => character is 'M' or 'm'), Is.EqualTo(3));
    }

    [Test]
    public void A_forecast_names_what_its_interval_should_hold_and_what_it_holds()
    {
        var example = new ForecastExample("meter 1", [1, 2], [3, 4, float.NaN], [3, 5, 6], [2, 4.5f, 5], [4, 6, 7], 0.8);
        Page with = Page.Of(ReportSamples.Empty() with { Forecasts = [example], ErrorByStep = [0.5, 1] });
        Page without = Page.Of(ReportSamples.Empty() with { Forecasts = [example with { Lower = null, Upper = null }] });

        static string[] Legend(Page page) => [.. Page.In(page.All("figure").First(), "li").Select(item => item.Value.Trim())];
        Assert.That(Legend(with), Is.EqualTo((string[])["truth", "forecast", "interval that should hold 80 % of the values", "last step that was seen"]));
        Assert.That(Legend(without), Is.EqualTo((string[])["truth", "forecast", "last step that was seen"]));
        Assert.That(Page.In(with.All("figure").First(), "p").Single().Value, Is.EqualTo("The interval holds 1 of 2 values here."));
        Assert.That(with.All("rect", "hit").Select(area => area.Value), Is.EqualTo((string[])["step 1: forecast 3.000, truth 3.000", "step 2: forecast 5.000, truth 4.000", "step 3: forecast 6.000, truth NaN"]));
        Assert.That(Page.In(with.All("figure").Last(), "circle", "train").Select(marker => marker.Value), Is.SupersetOf((string[])["step of the forecast 1: mean over all targets 0.5000", "step of the forecast 2: mean over all targets 1.000"]));
    }

    [Test]
    public void Gradients_are_bars_of_ratios()
    {
        XElement figure = Page.Of(ReportSamples.Empty() with { GradientNorms = [("first", 0.01), ("second", 0.1), ("third", 1), ("zero", 0), ("none", double.NaN)] }).Section("gradients").Descendants("figure").Single();

        double[] widths = [.. Page.In(figure, "rect", "bar").Select(bar => Page.Number(bar, "width"))];
        Assert.That(widths, Has.Length.EqualTo(3));
        Assert.That(widths[2] - widths[1], Is.EqualTo(widths[1] - widths[0]).Within(0.11));
        Assert.That(Page.In(figure, "text", "value").Select(text => text.Value), Is.EqualTo((string[])["0.01000", "0.1000", "1.000", "0", "NaN"]));
        Assert.That(Page.In(figure, "text", "name").Single().Value, Is.EqualTo("norm of the gradient, log scale"));
    }

    [Test]
    public void Gradients_of_many_layers_are_a_line()
    {
        XElement figure = Page.Of(ReportSamples.Empty() with { GradientNorms = [.. Enumerable.Range(1, 50_000).Select(i => ($"layer {i}", Math.Exp(-i * 1e-3)))] }).Section("gradients").Descendants("figure").Single();

        Assert.That(Page.In(figure, "rect", "bar"), Is.Empty);
        Assert.That(Page.In(figure, "path", "train").Last().Attribute("d")!.Value.Length, Is.InRange(1000, 30_000));
    }
}
