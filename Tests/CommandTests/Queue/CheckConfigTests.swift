import Foundation
import Glibc
import TestSupport
import Testing

/// `segmoed check-config` on an installation in a folder of its own.
@Suite struct CheckConfigTests {
  /// The shipped unit, a configuration and drop-ins.
  private func check(
    _ configuration: String, dropIns: [String] = [], folders: [String] = [], words: [String] = []
  ) throws -> Outcome {
    let root = try TemporaryFolder("usr/local/lib/systemd/system")
    try root.copy(
      Places.inRepository("systemd/segmoed.service"), to: "usr/local/lib/systemd/system/segmoed.service")
    try root.write("etc/segmoed/config.yaml", configuration)
    for (index, text) in dropIns.enumerated() {
      try root.write("etc/systemd/system/segmoed.service.d/\(index).conf", "[Service]\n" + text)
    }
    for folder in folders { try root.makeFolder(folder) }
    return try BuiltProgram.run(
      "segmoed", ["check-config", "--root", root.path] + words,
      environment: ["HOME": "/root", "SEGMOE_DATABASE": "/x/q"])
  }

  /// Whoever asks, root too, sees what the service will use.
  @Test func theServicesValuesAreShown() throws {
    let outcome = try check("memory_budget: 256MiB\n")
    #expect(outcome.code == 0 && outcome.errors == "", "\(outcome)")
    for line in [
      "database: /var/lib/segmoe/queue.sqlite", "output: /var/lib/segmoe/pictures",
      "models: [/var/lib/segmoe/models]",
      "inputs: [/var/lib/segmoe/inputs]", "memory_budget: 256MiB",
      "private_folder: /var/lib/segmoe/queue.sqlite.private",
      "digests: /var/lib/segmoe/queue.sqlite.private/digests",
      "preview_vae: {sd: taesd if it is there, sdxl: taesdxl if it is there}",
      "fetch: {owners: any, hosts: [civitai.com, huggingface.co], largest: 100GiB}",
    ] {
      #expect(outcome.output.contains(line + "\n"), "\(line) is not in \(outcome.output)")
    }
    let json = try check("", words: ["--json"]).object()
    #expect((json["settings"] as? [String: String])?["output"] == "/var/lib/segmoe/pictures")
    #expect((json["faults"] as? [Any])?.isEmpty == true)
  }

  @Test func aFileThatIsNotThereIsSaid() throws {
    let root = try TemporaryFolder("etc")
    let outcome = try BuiltProgram.run(
      "segmoed", ["check-config", "--root", root.path], environment: ["HOME": root.path])
    #expect(
      outcome.output.hasPrefix(
        "/etc/segmoed/config.yaml is not there; without it these values count, with the environment:\n"),
      "\(outcome)")
  }

  @Test func flagsAndVariablesOfDropInsCount() throws {
    let outcome = try check(
      "output: /from/file\n",
      dropIns: [
        "Environment=\"SEGMOE_WORKER=night shift\" SEGMOE_THREADS=3\nReadWritePaths=/from\n",
        "ExecStart=\nExecStart=/usr/local/bin/segmoed --output /from/flag \\\n  --coalesce 2\n",
      ], folders: ["/from"])
    #expect(outcome.code == 0, "\(outcome)")
    for line in ["output: /from/flag", "worker: night shift", "threads: 3", "coalesce: 2"] {
      #expect(outcome.output.contains(line + "\n"), "\(line) is not in \(outcome.output)")
    }
  }

  static let faults:
    [(configuration: String, dropIns: [String], folders: [String], code: Int32, parts: [String])] = [
      (
        "output: /data/pictures", [], ["/data/pictures"], 77,
        ["output: ", "ReadWritePaths=/data/pictures", "systemctl edit"]
      ),
      (
        "metrics: /var/lib/node/s.prom", [], ["/var/lib/node"], 77,
        ["metrics: ", "ReadWritePaths=/var/lib/node"]
      ),
      ("database: /srv/q.sqlite", [], ["/srv"], 77, ["database: ", "ReadWritePaths=/srv"]),
      ("private_folder: /etc/keys", [], ["/etc/keys"], 77, ["private_folder: ", "/etc/keys"]),
      ("models: [/home/anna/models]", [], ["/home/anna/models"], 77, ["models: ", "ProtectHome=read-only"]),
      ("inputs: [/tmp/in]", [], ["/tmp/in"], 77, ["inputs: ", "PrivateTmp"]),
      ("models: [/data/models]", [], [], 66, ["models: ", "/data/models is not there"]),
      ("inputs: [/etc/segmoed/config.yaml]", [], [], 65, ["inputs: ", "no folder"]),
      (
        "preview_vae: {sd: gone}", [], ["/var/lib/segmoe/models"], 66,
        ["preview_vae.sd: gone is not there", "leave the key out"]
      ),
      ("memory_budget: 900TiB", [], [], 65, ["memory_budget: ", "more than this machine has"]),
      ("memory_budget: 1MiB", [], [], 65, ["memory_budget: ", "less than the program"]),
      ("", ["Environment=SEGMOE_OUTPTU=/x"], [], 64, ["$SEGMOE_OUTPTU", "did you mean 'SEGMOE_OUTPUT'"]),
      (
        "", ["EnvironmentFile=-/etc/default/segmoed\nInaccessiblePaths=/var/lib/segmoe"], [], 77,
        ["InaccessiblePaths"]
      ),
      // Two at once are both named; the first decides.
      (
        "models: [/gone]\noutput: /data", [], [], 77, ["output: ", "models: "]
      ),
    ]

  @Test(arguments: faults.indices) func whatWouldFailLaterIsNamed(index: Int) throws {
    let (configuration, dropIns, folders, code, parts) = Self.faults[index]
    let outcome = try check(configuration, dropIns: dropIns, folders: folders)
    #expect(outcome.code == code, "\(outcome)")
    #expect(outcome.output.contains("cannot be used as it is"))
    for part in parts { #expect(outcome.errors.contains(part), "\(part) is not in: \(outcome.errors)") }
    for line in outcome.errors.split(separator: "\n") { #expect(line.hasPrefix("segmoed: ")) }
  }

  /// What the mend says mends it.
  @Test(arguments: [
    ("output: /data/pictures", "ReadWritePaths=/data/pictures", "/data/pictures"),
    ("models: [/home/anna/models]", "ProtectHome=read-only", "/home/anna/models"),
    ("metrics: /data/s.prom", "ProtectSystem=", "/data"),
  ]) func theDropInMendsIt(configuration: String, dropIn: String, folder: String) throws {
    #expect(try check(configuration, folders: [folder]).code == 77)
    #expect(try check(configuration, dropIns: [dropIn], folders: [folder]).code == 0)
  }

  /// The example of a drop-in and an address are all that a queue on a server takes: every folder stays where the sandbox has it.
  @Test func theDropInForAServerNeedsNoMore() throws {
    let dropIn = try String(contentsOfFile: Places.inRepository("systemd/server.conf"), encoding: .utf8)
    let outcome = try check(
      "database: postgresql://segmoe@db.example/segmoe?sslmode=verify-full\n", dropIns: [dropIn])
    #expect(outcome.code == 0 && outcome.errors == "", "\(outcome)")
    for line in [
      "database: postgresql://segmoe@db.example/segmoe", "output: /var/lib/segmoe/pictures",
      "private_folder: /var/lib/segmoe/queue.sqlite.private",
    ] {
      #expect(outcome.output.contains(line + "\n"), "\(line) is not in \(outcome.output)")
    }
  }

  /// What the unit runs before a reload, by the unit's own words: a wrong file ends it with one line, and then nobody sends
  /// the signal. A right one says nothing.
  @Test(arguments: [
    ("memory_budget: 256MiB\n", 0, nil as String?), ("limits:\n  side: many\n", 65, "config.yaml:2"),
    ("models: [/gone]\n", 66, "/gone is not there"), ("output: /data\n", 77, "ReadWritePaths=/data"),
  ]) func aWrongFileFailsTheReload(configuration: String, code: Int, part: String?) throws {
    let unit = try String(contentsOfFile: Places.inRepository("systemd/segmoed.service"), encoding: .utf8)
    let commands = unit.split(separator: "\n").filter { $0.hasPrefix("ExecReload=") }.map { $0.dropFirst(11) }
    #expect(commands.count == 2 && commands.last?.contains("kill -HUP") == true)
    let words = try #require(commands.first).split(separator: " ").map(String.init)
    #expect(words.prefix(2) == ["/usr/local/bin/segmoed", "check-config"])
    let outcome = try check(configuration, words: Array(words.dropFirst(2)))
    #expect(outcome.code == Int32(code) && outcome.output == "", "\(outcome)")
    #expect(outcome.errors.filter { $0 == "\n" }.count == (part == nil ? 0 : 1), "\(outcome.errors)")
    if let part { #expect(outcome.errors.contains(part), "\(outcome.errors)") }
  }

  @Test func aFileOfOnesOwnIsCheckedHere() throws {
    let command = try Command()
    try command.file("c.yaml", Data("output: out\nmodels: [models]\n".utf8))
    let path = command.folder + "/c.yaml"
    #expect(try BuiltProgram.run("segmoed", ["check-config", path]).code == 66)
    try FileManager.default.createDirectory(
      atPath: command.folder + "/models", withIntermediateDirectories: true)
    let outcome = try BuiltProgram.run(
      "segmoed", ["check-config", path], environment: ["HOME": command.folder])
    #expect(outcome.code == 0 && outcome.output.contains("output: \(command.folder)/out\n"), "\(outcome)")
    #expect(
      try BuiltProgram.run("segmoed", ["check-config", path], environment: ["SEGMOE_MODELZ": "/x"]).code == 64
    )
  }

  /// What a page names, the daemon takes. (Empty, a variable of the configuration counts as not set.)
  @Test func everyVariableOfThePagesIsKnown() throws {
    let command = try Command()
    let pages = try FileManager.default.contentsOfDirectory(atPath: Places.inRepository("docs")).filter {
      $0.hasSuffix(".md")
    }
    var names: Set<String> = ["SEGMOE_ISA", "SEGMOE_CACHE", "SEGMOE_HUB"]
    for page in try pages.map({
      try String(contentsOfFile: Places.inRepository("docs/" + $0), encoding: .utf8)
    }) {
      names.formUnion(page.matches(of: /SEGMOE_[A-Z_]+/).map { String($0.output) })
    }
    // Of tests and benchmarks, fields of the journal, and a variable of the retention unit.
    names.subtract([
      "SEGMOE_KILL_SEED", "SEGMOE_BENCHMARK_DEPTHS", "SEGMOE_JOB", "SEGMOE_BATCH", "SEGMOE_RETENTION",
    ])
    #expect(names.count >= 9)
    try command.file("c.yaml", Data("output: out\n".utf8))
    let outcome = try BuiltProgram.run(
      "segmoed", ["check-config", command.folder + "/c.yaml"],
      environment: Dictionary(uniqueKeysWithValues: names.map { ($0, "") }).merging([
        "HOME": command.folder, "SEGMOE_ISA": "scalar",
      ]) { $1 })
    #expect(outcome.code == 0, "\(outcome)")
  }

  /// The daemon refuses to start on the same.
  @Test(
    arguments: [
      (["--models", "/gone"], [:], 66, "/gone is not there"),
      (["--memory-budget", "900TiB"], [:], 65, "more than"),
      (["--inputs", "/dev/null"], [:], 65, "no folder"),
      ([], ["SEGMOE_MODLES": "/x"], 64, "did you mean 'SEGMOE_MODELS'"),
      ([], ["SEGMOE_METRICS": "/sys/kernel/m.prom"], 77, "metrics"),
    ] as [([String], [String: String], Int32, String)])
  func theDaemonDoesNotStart(arguments: [String], environment: [String: String], code: Int32, part: String)
    throws
  {
    let command = try Command()
    let outcome = try BuiltProgram.run(
      "segmoed", ["--database", command.database, "--drain"] + arguments, environment: environment,
      by: code == 77 && Rights.canBeTaken ? Rights.nobody() : [])
    #expect(outcome.code == code, "\(outcome)")
    #expect(outcome.errors.contains(part) || code == 77, "\(outcome.errors)")
    #expect(outcome.errors.filter { $0 == "\n" }.count == 1, "\(outcome.errors)")
    #expect(!FileManager.default.fileExists(atPath: command.database))
  }
}
