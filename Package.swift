// swift-tools-version: 6.1
import PackageDescription

/// With WARNINGS_ARE_ERRORS=1 warnings of our own targets are errors. CI and `make check` set it. Whoever builds from source,
/// perhaps with a newer compiler that warns of more, does not.
let isStrict = Context.environment["WARNINGS_ARE_ERRORS"] == "1"

let swift: [SwiftSetting] =
  [.swiftLanguageMode(.v6)] + (isStrict ? [.unsafeFlags(["-warnings-as-errors"])] : [])

let warnings = ["-Wall", "-Wextra"] + (isStrict ? ["-Werror"] : [])

/// C kernels: optimized in every configuration (an unoptimized kernel is tens of times slower),
/// instruction sets are chosen at run time inside the files, never by flags.
let kernels: [CSetting] = [.unsafeFlags(["-O3", "-ffp-contract=off"] + warnings)]

/// Plain C that only adapts a library; the configuration decides how far it is optimized.
let shim: [CSetting] = [.unsafeFlags(warnings)]

let grdb = Target.Dependency.product(name: "GRDB", package: "GRDB.swift")
let sqlite = Target.Dependency.product(name: "GRDBSQLite", package: "GRDB.swift")
let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let lifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let signals = Target.Dependency.product(name: "UnixSignals", package: "swift-service-lifecycle")

func library(_ name: String, path: String? = nil, _ dependencies: [Target.Dependency]) -> Target {
  .target(name: name, dependencies: dependencies, path: path, swiftSettings: swift)
}

func tool(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .executableTarget(name: name, dependencies: dependencies, swiftSettings: swift)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .testTarget(name: name, dependencies: dependencies, swiftSettings: swift)
}

// Every module may use only the rows above it; scripts/check-layers proves it.
let package = Package(
  name: "segmoe",
  products: [
    .executable(name: "segmoe", targets: ["segmoe"]),
    .executable(name: "segmoed", targets: ["segmoed"]),
    .executable(name: "segmoectl", targets: ["segmoectl"]),
  ],
  dependencies: [
    .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    // For `make docs` alone: no target uses it, so a build compiles nothing of it.
    .package(url: "https://github.com/swiftlang/swift-docc-plugin", from: "1.5.0"),
  ],
  targets: [
    .systemLibrary(name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
    .systemLibrary(name: "CPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"])]),
    .systemLibrary(name: "CYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
    .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
    .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(name: "CPostgreSQL", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
    .target(name: "CKernels", cSettings: kernels),
    library("Release", []),
    library("Boundary", ["CCrypto"]),
    library("Requests", ["Boundary"]),
    library("Templates", ["Boundary", "Requests"]),
    library("CommandLine", ["Boundary", "Requests", "CKernels", argumentParser]),
    library("Tensors", ["Boundary", "Requests", "CKernels", "COpenBLAS", "Release"]),
    library("Checkpoints", ["Boundary", "Requests", "Tensors", "CKernels", "CCrypto"]),
    .target(name: "CCurlShim", dependencies: ["CCurl"], cSettings: shim),
    library("HTTP", ["Requests", "CCurlShim"]),
    library("SharedFiles", ["Boundary", "Requests", "HTTP"]),
    library("Hub", ["Boundary", "Requests", "HTTP", "Checkpoints", "Release"]),
    library("WeightCache", ["Requests", "Checkpoints", "Tensors"]),
    library("Layers", ["WeightCache", "Checkpoints", "Tensors"]),
    library("Experts", ["Layers", "WeightCache", "Checkpoints", "Tensors"]),
    .target(name: "CPNGShim", dependencies: ["CPNG"], cSettings: shim),
    library("Images", ["Boundary", "CPNGShim"]),
    library("Configuration", ["Boundary", "CYAML"]),
    .target(
      name: "CVocabulary", exclude: ["clip_merges.txt"],
      cSettings: [.headerSearchPath(".")] + shim),
    library(
      "Diffusion",
      [
        "Boundary", "Requests", "CVocabulary", "Experts", "Layers", "WeightCache", "Checkpoints", "Tensors",
        "Images",
        "Release",
      ]),
    library(
      "Merging",
      ["Requests", "Diffusion", "Configuration", "Experts", "WeightCache", "Checkpoints", "Tensors"]),
    .target(
      name: "Migrations", path: "migrations", resources: [.embedInCode("sql"), .embedInCode("postgresql")],
      swiftSettings: swift),
    library("JobStore", ["Boundary", "Requests", grdb, sqlite, "Migrations"]),
    library("PostgresStore", ["Boundary", "Requests", "JobStore", "Migrations", "CPostgreSQL", grdb]),
    library("Fetching", ["Requests", "HTTP", "Hub", "JobStore", logging]),
    library(
      "RenderDaemon",
      [
        "Boundary", "Requests", "SharedFiles", "JobStore", "PostgresStore", "Diffusion", "Configuration",
        "Images", "Layers", "WeightCache", "Checkpoints", "Tensors",
        "Release", logging, lifecycle,
      ]),
    tool(
      "segmoed",
      [
        "Boundary", "Requests", "CommandLine", "JobStore", "PostgresStore", "Diffusion", "WeightCache",
        "Tensors", "Configuration", "RenderDaemon", "SharedFiles", "HTTP", "Hub", "Fetching", "Release",
        argumentParser, logging, lifecycle, signals,
      ]),
    tool(
      "segmoectl",
      [
        "Boundary", "Requests", "Templates", "CommandLine", "Configuration", "Images", "SharedFiles",
        "JobStore", "PostgresStore", "CKernels", "Release", argumentParser,
      ]),
    tool(
      "segmoe",
      [
        "Boundary", "Requests", "CommandLine", "HTTP", "Hub", "Merging", "Diffusion", "Images",
        "Configuration",
        "Layers",
        "WeightCache", "Checkpoints", "Tensors", "Release", argumentParser,
      ]),
    // What tests share: Tests/README.md.
    library("TestSupport", path: "Tests/TestSupport", ["Boundary"]),
    library("Fuzzing", path: "Tests/Fuzzing", ["TestSupport"]),
    library(
      "GoldenModels", path: "Tests/GoldenModels",
      ["TestSupport", "Requests", "Diffusion", "WeightCache", "Checkpoints", "Tensors"]),
    tests("BoundaryTests", ["Boundary", "TestSupport"]),
    tests("RequestsTests", ["Requests"]),
    tests("TemplatesTests", ["Templates", "Fuzzing", "TestSupport"]),
    tests("TensorsTests", ["Requests", "Tensors", "CKernels", "TestSupport"]),
    tests("WeightCacheTests", ["WeightCache", "Tensors", "TestSupport"]),
    tests("LayersTests", ["Layers", "Checkpoints", "Requests", "Tensors", "TestSupport"]),
    tests("ExpertsTests", ["Experts", "Tensors"]),
    tests("CheckpointsTests", ["Boundary", "Checkpoints", "Tensors", "CKernels", "Fuzzing", "TestSupport"]),
    tests(
      "HubTests",
      [
        "Boundary", "Requests", "HTTP", "Hub", "Checkpoints", "JobStore", "PostgresStore", "Fetching",
        "TestSupport", logging, grdb,
      ]),
    tests("SharedFilesTests", ["Boundary", "Requests", "HTTP", "SharedFiles", "TestSupport"]),
    tests("ImagesTests", ["Images", "Fuzzing", "TestSupport"]),
    tests("ConfigurationTests", ["Configuration", "Fuzzing", "TestSupport"]),
    tests(
      "DiffusionTests",
      [
        "Boundary", "Requests", "Diffusion", "WeightCache", "Checkpoints", "Tensors", "Images", "Fuzzing",
        "GoldenModels",
        "TestSupport",
      ]),
    tests(
      "MergingTests",
      [
        "Requests", "Merging", "Configuration", "Diffusion", "WeightCache", "Checkpoints", "Tensors",
        "Images", "GoldenModels", "TestSupport",
      ]),
    tests(
      "JobStoreTests", ["Boundary", "Requests", "JobStore", "Migrations", "Fuzzing", "TestSupport", grdb]),
    tests("PostgresStoreTests", ["Requests", "JobStore", "PostgresStore", "TestSupport", grdb]),
    tests(
      "RenderDaemonTests",
      [
        "Boundary", "Requests", "RenderDaemon", "JobStore", "PostgresStore", "Configuration", "Checkpoints",
        "Images",
        "Tensors", "WeightCache", "Diffusion", "GoldenModels", "TestSupport", logging, grdb,
      ]),
    tests(
      "CommandTests",
      [
        "Requests", "Templates", "CommandLine", "Configuration", "JobStore", "segmoectl", "Fuzzing",
        "Checkpoints", "Images",
        "Tensors", "Release", "TestSupport", grdb,
      ]),
  ]
)
