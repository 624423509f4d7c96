using System.Globalization;
using OrthoNative;
using OrthoNative.Outside;

// Loads a model in a process of its own and writes what it computes: FILE OUTPUTS THREADS.
using Device device = Device.Cpu(int.Parse(args[2], CultureInfo.InvariantCulture));
using Sequential made = Model.Load(args[0], device, new ModelLoadOptions { Factories = WholeModel.Factories() });
using Sequential given = WholeModel.Create(device, seed: 12345);
given.Load(args[0]);
SafeTensors.Save(args[1], WholeModel.Results(made, "made").Concat(WholeModel.Results(given, "given")));
