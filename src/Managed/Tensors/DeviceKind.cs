using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>Kind of a <see cref="Device"/>.</summary>
public enum DeviceKind
{
    /// <summary>The processor and its memory.</summary>
    Cpu = (int)ortho_device_kind.ORTHO_DEVICE_CPU,

    /// <summary>An NVIDIA GPU and its memory.</summary>
    Cuda = (int)ortho_device_kind.ORTHO_DEVICE_CUDA,
}
