using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Tensors;

/// <summary>CPU devices have the host's memory in common: tensors of one work with models, losses and optimizers on another.</summary>
internal sealed class CpuDevicesTests
{
    private const int Steps = 7;

    [Test]
    public void A_model_trains_with_the_same_bits_on_batches_of_another_cpu_device()
    {
        using var one = Device.Cpu(1);
        using var two = Device.Cpu(2);
        byte[] expected = Train(one, one, one);

        Assert.That(Train(one, Device.Default, two), Is.EqualTo(expected));
        Assert.That(Train(Device.Default, one, one), Is.EqualTo(expected));
        Assert.That(Train(two, one, Device.Default), Is.EqualTo(expected));
    }

    [Test]
    public void Tensors_are_copied_between_cpu_devices()
    {
        using var one = Device.Cpu(1);
        using Tensor source = Tensor.From<int>(one, [1, 2, 3], 3);
        using var tensor = new Tensor(Device.Default, DType.Int32, 3);
        tensor.CopyFrom(source);
        source.Fill(0);

        Assert.That(tensor.ToArray<int>(), Is.EqualTo((int[])[1, 2, 3]));
    }

    [Test]
    public void A_loss_runs_on_the_device_of_the_outputs()
    {
        using var one = Device.Cpu(1);
        using var gone = Device.Cpu(1);
        using Tensor predictions = ToTensor(one, [1, 2], DType.Float64, 2, 1);
        using Tensor targets = ToTensor(gone, [3, 5], DType.Float64, 2, 1);
        gone.Dispose();
        using var loss = new MeanSquaredErrorLoss();

        // The device of the targets would refuse.
        Assert.That(loss.Forward(predictions, targets), Is.EqualTo(6.5));
        Assert.That(loss.Gradient.Device, Is.SameAs(one));
        Assert.That(Values(loss.Gradient), Is.EqualTo((double[])[-2, -3]));
        loss.Forward(targets: predictions, outputs: predictions);
        Assert.That(() => loss.Forward(targets, predictions), Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public void The_gradient_follows_outputs_to_another_device()
    {
        using var one = Device.Cpu(1);
        using var two = Device.Cpu(2);
        using Tensor here = ToTensor(one, [1, 2, 3, 4], DType.Float32, 2, 2);
        using Tensor there = ToTensor(two, [1, 2, 3, 4], DType.Float32, 2, 2);
        using var loss = new CrossEntropyLoss();
        loss.Forward(here, [0, 1]);
        byte[] gradient = Bytes(loss.Gradient);
        Assert.That(loss.Gradient.Device, Is.SameAs(one));
        loss.Forward(there, [0, 1]);

        Assert.That(loss.Gradient.Device, Is.SameAs(two));
        Assert.That(Bytes(loss.Gradient), Is.EqualTo(gradient));
    }

    [Test]
    public void Two_devices_work_in_two_threads_on_the_same_inputs()
    {
        const int Passes = 50;
        using Tensor inputs = ToTensor(Uniform(new Random(1), Steps * 5 * 2), DType.Float32, Steps, 5, 2);
        using var one = Device.Cpu(1);
        using var two = Device.Cpu(2);
        byte[] expected = Run(one, inputs, 1);
        byte[][] results = new byte[2][];
        var threads = new Thread[2];
        using var start = new Barrier(2);
        for (int i = 0; i < threads.Length; i++)
        {
            int index = i;
            threads[i] = new Thread(() =>
            {
                start.SignalAndWait();
                results[index] = Run(index == 0 ? one : two, inputs, Passes);
            });
            threads[i].Start();
        }

        foreach (Thread thread in threads)
        {
            thread.Join();
        }

        Assert.That(results, Is.All.EqualTo(expected));
    }

    [Test]
    public void Losses_refuse_integers()
    {
        using var integers = new Tensor(Device.Default, DType.Int32, 2, 2);
        using var numbers = new Tensor(Device.Default, DType.Float32, 2, 2);
        using var entropy = new CrossEntropyLoss();
        using var error = new MeanSquaredErrorLoss();

        Assert.That(() => entropy.Forward(integers, [0, 1]), Throws.ArgumentException.With.Message.Contains("outputs has element type Int32; it must be Float32 or Float64"));
        Assert.That(() => error.Forward(integers, integers), Throws.ArgumentException.With.Message.Contains("outputs has element type Int32; it must be Float32 or Float64"));
        Assert.That(() => error.Forward(numbers, integers), Throws.ArgumentException.With.Message.Contains("targets has element type Int32; it must be Float32"));
    }

    /// <summary>Forward and backward passes; the bits of the last ones.</summary>
    private static byte[] Run(Device device, Tensor inputs, int passes)
    {
        using var model = new Sequential(device, 3, new RoaRnn(2, 20), new Dense(20, 3));
        using var loss = new CrossEntropyLoss();
        byte[] outputs = [];
        for (int i = 0; i < passes; i++)
        {
            Tensor logits = model.Forward(inputs);
            outputs = Bytes(logits);
            loss.Forward(logits, [0, 1, 2, 1, 0]);
            model.Backward(loss.Gradient);
        }

        return [.. outputs, .. Bytes(model.GradientData)];
    }

    private static byte[] Train(Device ofModel, Device ofInputs, Device ofState)
    {
        using var loader = new DataLoader(new AddingProblem(Steps, 15, seed: 1), batchSize: 5, new DataLoaderOptions { Device = ofInputs });
        using var model = new Sequential(ofModel, 1, new RoaRnn(2, 4, new RoaRnnOptions { Output = SequenceOutput.All }), new GaussianNoise(4, 0.1), new Gru(4, 3), new Dropout(3, 0.2), new Dense(3, 1));
        using Tensor state = ToTensor(ofState, Uniform(new Random(2), 5 * 3), DType.Float32, 5, 3);
        using var loss = new MeanSquaredErrorLoss();
        using var optimizer = new Adam(model, 0.01);
        foreach (Batch batch in loader.Epoch(0))
        {
            Tensor outputs = model.Forward(batch.Inputs, States.From(new Dictionary<string, Tensor> { ["2.state"] = state }));
            loss.Forward(outputs, batch.Values!);
            model.Backward(loss.Gradient);
            optimizer.Step();
        }

        return Bytes(model.ParameterData);
    }
}
