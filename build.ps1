#Requires -Version 5.1
<#
.SYNOPSIS
Builds, tests and packs OrthoNative. Every target is a call of dotnet or CMake that works without this script, too.

.DESCRIPTION
  native    configures and builds the native library and its tests with CMake (native/build/release or debug)
  bindings  writes the C# bindings anew from native/include/orthonative/orthonative.h (needs the package CppSharp)
  build     builds everything, the native library included
  test      runs the tests of the solution
  bench     runs the comparison with TorchSharp
  pack      writes the NuGet packages to artifacts/packages; with -Cuda also that of CUDA devices
  cuda      builds the library of CUDA devices with CMake and nvcc (native/build/cuda)
  clean     deletes what all of these leave

.PARAMETER Target
What to do; build if nothing is given.

.PARAMETER Configuration
Release, the default, or Debug.

.PARAMETER Cuda
With pack: builds and packs the library of CUDA devices, too.

.PARAMETER CudaArchitectures
GPUs that the library of CUDA devices is built for, as CMake takes them, for example 90; all that are supported if nothing is given.

.PARAMETER Arguments
Handed on to the command of the target, options with two dashes: ./build.ps1 test --filter FullyQualifiedName~Layers

.EXAMPLE
./build.ps1 pack -Cuda
#>
[CmdletBinding(PositionalBinding = $false)]
param(
    [Parameter(Position = 0)]
    [ValidateSet('native', 'bindings', 'build', 'test', 'bench', 'pack', 'cuda', 'clean')]
    [string] $Target = 'build',

    [ValidateSet('Release', 'Debug')]
    [string] $Configuration = 'Release',

    [switch] $Cuda,

    [string] $CudaArchitectures = '',

    [Parameter(ValueFromRemainingArguments = $true)]
    [string[]] $Arguments = @()
)

# Language constructs, .NET calls and programs only: no cmdlet, so that any host of PowerShell runs this.
$ErrorActionPreference = 'Stop'
$root = $PSScriptRoot

function Invoke-Program([string] $program, [string[]] $parameters) {
    & $program @parameters
    if ($LASTEXITCODE -ne 0) {
        throw "$program $($parameters -join ' ') failed with exit code $LASTEXITCODE"
    }
}

function Remove-Folder([string] $path) {
    if ([System.IO.Directory]::Exists($path)) {
        [System.IO.Directory]::Delete($path, $true)
    }
}

function Build-CudaLibrary([string[]] $parameters) {
    Invoke-Program cmake (@('-S', "$root/native", '--preset', 'cuda', "-DORTHO_CUDA_ARCHITECTURES=$CudaArchitectures") + $parameters)
    Invoke-Program cmake @('--build', "$root/native/build/cuda", '--parallel', '--target', 'orthonative_cuda')
}

switch ($Target) {
    'native' {
        $preset = $Configuration.ToLowerInvariant()
        Invoke-Program cmake (@('-S', "$root/native", '--preset', $preset) + $Arguments)
        Invoke-Program cmake @('--build', "$root/native/build/$preset", '--parallel')
    }
    'bindings' {
        Invoke-Program dotnet (@('run', '-c', $Configuration, '--project', "$root/src/Interop/Generator") + $Arguments + @('--', $root))
    }
    'build' { Invoke-Program dotnet (@('build', "$root/OrthoNative.sln", '-c', $Configuration) + $Arguments) }
    'test' { Invoke-Program dotnet (@('test', "$root/OrthoNative.sln", '-c', $Configuration) + $Arguments) }
    'bench' { Invoke-Program dotnet (@('run', '-c', $Configuration, '--project', "$root/tests/Benchmarks", '--', 'compare') + $Arguments) }
    'pack' {
        Invoke-Program dotnet (@('pack', "$root/OrthoNative.sln", '-c', $Configuration) + $Arguments)
        if ($Cuda) {
            Build-CudaLibrary @()
            Invoke-Program dotnet (@('pack', "$root/src/Native.Cuda", '-c', $Configuration) + $Arguments)
        }
    }
    'cuda' { Build-CudaLibrary $Arguments }
    'clean' {
        Remove-Folder "$root/artifacts"
        Remove-Folder "$root/native/build"
        foreach ($name in 'bin', 'obj') {
            foreach ($place in 'src', 'tests') {
                foreach ($folder in [System.IO.Directory]::GetDirectories("$root/$place", $name, [System.IO.SearchOption]::AllDirectories)) {
                    Remove-Folder $folder
                }
            }
        }
    }
}
