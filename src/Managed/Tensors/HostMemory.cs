using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>A tensor's elements in the host's memory: its own on a CPU device, otherwise a copy.</summary>
internal readonly unsafe ref struct HostMemory
{
    private readonly Tensor? _tensor;
    private readonly Tensor? _copy;
    private readonly bool _writes;
    private readonly BufferScope _scope;

    private HostMemory(Tensor? tensor, bool reads, bool writes)
    {
        if (tensor is null)
        {
            return;
        }

        _tensor = tensor;
        _writes = writes;
        _copy = tensor.Device.Kind == DeviceKind.Cpu ? null : new Tensor(Device.Default, tensor.DType, tensor.Shape);
        Tensor here = _copy ?? tensor;
        _scope = writes || _copy is not null ? here.BorrowToWrite() : here.Borrow();
        if (_copy is not null && reads)
        {
            tensor.CopyToHost(0, _scope.Address, tensor.Count * tensor.DType.Bytes());
        }
    }

    /// <summary>The elements; null where there is no tensor.</summary>
    public void* Address => _tensor is null ? null : _scope.Address;

    public static HostMemory Read(Tensor? tensor) => new(tensor, reads: true, writes: false);

    public static HostMemory Write(Tensor? tensor) => new(tensor, reads: false, writes: true);

    public static HostMemory Update(Tensor? tensor) => new(tensor, reads: true, writes: true);

    public void Dispose()
    {
        _scope.Dispose();
        if (_copy is not null)
        {
            if (_writes)
            {
                _tensor!.Overwrite(_copy);
            }

            _copy.Dispose();
        }
    }
}
