// Runs another program as a plugin, in an AssemblyLoadContext of its own: Host file|bytes PATH.
using System.Reflection;
using System.Runtime.Loader;

var context = new PluginContext(Path.GetFullPath(args[1]), fromBytes: args[0] == "bytes");
return (int)context.LoadProgram().EntryPoint!.Invoke(null, [Array.Empty<string>()])!;

/// <summary>Finds what a plugin needs by its deps.json. From bytes, as shadow copies do it, assemblies have no location.</summary>
internal sealed class PluginContext(string path, bool fromBytes) : AssemblyLoadContext("plugin")
{
    private readonly AssemblyDependencyResolver _resolver = new(path);

    public Assembly LoadProgram() => From(path);

    protected override Assembly? Load(AssemblyName assemblyName) =>
        _resolver.ResolveAssemblyToPath(assemblyName) is { } found ? From(found) : null;

    protected override nint LoadUnmanagedDll(string unmanagedDllName) =>
        _resolver.ResolveUnmanagedDllToPath(unmanagedDllName) is { } found ? LoadUnmanagedDllFromPath(found) : 0;

    private Assembly From(string file)
    {
        if (!fromBytes)
        {
            return LoadFromAssemblyPath(file);
        }

        using var stream = new MemoryStream(File.ReadAllBytes(file));
        return LoadFromStream(stream);
    }
}
