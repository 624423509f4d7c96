#Requires -Version 5.1
<#
.SYNOPSIS
Builds, tests and packs OrthoNative. Every target is a call of dotnet or CMake that works without this script, too.

.DESCRIPTION
  native    configures and builds the native library and its tests with CMake (native/build/release or debug);
            with -Rid or -All the library of other platforms (artifacts/native/RID)
  bindings  writes the C# bindings anew from native/include/orthonative/orthonative.h (needs the package CppSharp)
  build     builds everything, the native library included
  test      runs the tests of the solution; with -Rid or -All the native tests of other platforms, each where it can run here
  bench     runs the comparison with TorchSharp
  pack      writes the NuGet packages to artifacts/packages, for this platform or, with -All, for all; with -Cuda also that of CUDA devices
  cuda      builds the library of CUDA devices with CMake and nvcc (native/build/cuda)
  clean     deletes what all of these leave

.PARAMETER Target
What to do; build if nothing is given.

.PARAMETER Configuration
Release, the default, or Debug.

.PARAMETER Rid
With native and test: a platform, one of those in cmake/toolchains. Its compiler is fetched by npm; docs/building.md has the rest.

.PARAMETER All
With native, test and pack: all platforms in cmake/toolchains.

.PARAMETER Cuda
With pack: builds and packs the library of CUDA devices, too.

.PARAMETER CudaArchitectures
GPUs that the library of CUDA devices is built for, as CMake takes them, for example 90; all that are supported if nothing is given.

.PARAMETER Arguments
Handed on to the command of the target, options with two dashes: ./build.ps1 test --filter FullyQualifiedName~Layers

.EXAMPLE
./build.ps1 pack -Cuda

.EXAMPLE
./build.ps1 test -Rid win-x64
#>
[CmdletBinding(PositionalBinding = $false)]
param(
    [Parameter(Position = 0)]
    [ValidateSet('native', 'bindings', 'build', 'test', 'bench', 'pack', 'cuda', 'clean')]
    [string] $Target = 'build',

    [ValidateSet('Release', 'Debug')]
    [string] $Configuration = 'Release',

    [string] $Rid = '',

    [switch] $All,

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

function Get-Platform {
    $names = foreach ($file in [System.IO.Directory]::GetFiles("$root/cmake/toolchains", '*-*.cmake')) {
        [System.IO.Path]::GetFileNameWithoutExtension($file)
    }
    [System.Array]::Sort($names)
    if ($All) {
        return $names
    }
    if ($names -cnotcontains $Rid) {
        throw "-Rid is '$Rid'; it must be one of $($names -join ', ')"
    }
    return $Rid
}

function Build-Platform([string] $platform, [string] $tests) {
    Invoke-Program cmake @(
        '-D', "SOURCE=$root/native", '-D', "BUILD=$root/artifacts/native/$platform", '-D', "CONFIGURATION=$Configuration",
        '-D', "TOOLCHAIN=$root/cmake/toolchains/$platform.cmake", '-D', "TESTS=$tests", '-P', "$root/src/Native/BuildNative.cmake")
}

function Build-CudaLibrary([string[]] $parameters) {
    Invoke-Program cmake (@('-S', "$root/native", '--preset', 'cuda', "-DORTHO_CUDA_ARCHITECTURES=$CudaArchitectures") + $parameters)
    Invoke-Program cmake @('--build', "$root/native/build/cuda", '--parallel', '--target', 'orthonative_cuda')
}

switch ($Target) {
    { ($Target -eq 'native') -and ($All -or $Rid) } {
        foreach ($platform in Get-Platform) {
            Build-Platform $platform 'OFF'
        }
        break
    }
    { ($Target -eq 'test') -and ($All -or $Rid) } {
        foreach ($platform in Get-Platform) {
            Build-Platform $platform 'ON'
            Invoke-Program ctest (@('--test-dir', "$root/artifacts/native/$platform", '--output-on-failure') + $Arguments)
        }
        break
    }
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
        $everywhere = @()
        if ($All) {
            $everywhere = @('-p:AllPlatforms=true', '-p:NativeToolchain=true')
            foreach ($platform in Get-Platform) {
                Invoke-Program dotnet @('pack', "$root/src/Native", '-c', $Configuration, "-p:NativeRuntimeIdentifier=$platform", '-p:NativeToolchain=true')
            }
        }
        Invoke-Program dotnet (@('pack', "$root/OrthoNative.sln", '-c', $Configuration) + $everywhere + $Arguments)
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
