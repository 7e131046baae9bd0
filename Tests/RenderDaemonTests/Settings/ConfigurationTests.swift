import Boundary
import Configuration
import Foundation
import JobStore
import Logging
import RenderDaemon
import Requests
import TestSupport
import Testing

/// Where settings come from, and what is said of wrong ones.
@Suite struct ConfigurationTests {
  private func configuration(_ text: String) throws -> DaemonConfiguration {
    try DaemonConfiguration(YAMLDocument(parsing: text, file: "c.yaml"), folder: "/etc/segmoed")
  }

  @Test func everyKeyIsRead() throws {
    let settings = try configuration(
      """
      database: /q.sqlite
      output: out
      models: [/m, more]
      memory_budget: 4GiB
      threads: 3
      jobs: 2
      worker: w
      lease_seconds: 7.5
      checkpoint_steps: 4
      previews: false
      preview_vae: {sd: small, sdxl: /m/large}
      limits: {side: 512, steps: 50, count: 2, prompt_bytes: 100, loras: 0}
      log_level: warning
      metrics: /run/m.prom
      """
    ).settings(environment: [:])
    #expect(settings.database == "/q.sqlite" && settings.output == "/etc/segmoed/out")
    #expect(settings.modelFolders == ["/m", "/etc/segmoed/more"] && settings.memoryBudget == 4 << 30)
    #expect(settings.threads == 3 && settings.worker == "w" && settings.leaseSeconds == 7.5)
    #expect(settings.jobs == 2 && settings.threads(ofJob: 0) == 2 && settings.threads(ofJob: 1) == 1)
    #expect(settings.checkpointSteps == 4 && !settings.previews && settings.logLevel == .warning)
    #expect(settings.previewVAE == PreviewVAENames(sd: "small", sdxl: "/m/large"))
    let usual = try configuration("threads: 3").settings(environment: [:])
    #expect(usual.jobs == 1 && usual.threads(ofJob: 0) == 3)
    #expect(usual.previews && usual.previewVAE == PreviewVAENames())
    var limits = RenderLimits()
    (limits.side, limits.steps, limits.count, limits.promptBytes, limits.loras) = (512, 50, 2, 100, 0)
    #expect(settings.limits == limits && settings.metrics == "/run/m.prom")
  }

  /// What is local stays local: a queue in a file has no shared place.
  @Test func aSharedPlaceIsForAQueueOfManyMachines() throws {
    let text = "shared: place\nmodels: [/m]\ninputs: [/i]\n"
    let local = try configuration(text).settings(environment: ["HOME": "/h"])
    #expect(
      local.shared == nil && local.allowedInputs == ["/i"]
        && !local.allowedFolders.contains { $0.contains("shared") })
    let file = try configuration("database: postgresql:///q\n" + text)
    let service = file.settings(environment: ["STATE_DIRECTORY": "/var/lib/segmoe"])
    let cache = "/var/lib/segmoe/shared"
    #expect(service.shared == "/etc/segmoed/place" && service.sharedCache == cache)
    #expect(service.allowedInputs == ["/i", cache + "/files", cache + "/trees"])
    #expect(service.allowedFolders.suffix(2) == [cache + "/files", cache + "/trees"])
    let variables = ["SEGMOE_SHARED": "s3://b-1/x", "HOME": "/h"]
    var own = try DaemonConfiguration(environment: variables).over(file).settings(environment: variables)
    #expect(own.shared == "s3://b-1/x" && own.sharedCache == "/h/.cache/segmoe/shared")
    let named = file.settings(environment: ["HOME": "/h", "XDG_CACHE_HOME": "/x", "SEGMOE_CACHE": "/c"])
    #expect(named.sharedCache == "/c/shared")
    // Without folders, jobs use what they name, wherever it is.
    let open = try configuration("database: postgresql:///q\nshared: s3://b-1").settings(environment: [
      "HOME": "/h"
    ])
    #expect(open.allowedFolders == [] && open.allowedInputs == [])
    #expect(own.reload(named) == ["digests", "shared"])
  }

  @Test func theShippedExampleIsRightWithAndWithoutItsComments() throws {
    let text = try String(contentsOfFile: Places.inRepository("systemd/config.yaml"), encoding: .utf8)
    let standard = DaemonConfiguration().settings(environment: [:])
    #expect(try configuration(text).settings(environment: [:]) == standard)
    // Keys and list items that are commented out stand right behind the #, prose after one space.
    let lines = text.split(separator: "\n").map { line in
      line.prefixMatch(of: /#( {2}- |[a-z_]+:)/) == nil ? line : line.dropFirst()
    }
    let whole = try configuration(lines.joined(separator: "\n"))
    #expect(whole.models == ["/var/lib/segmoe/models"] && whole.threads == 8 && whole.worker == "render-1")
  }

  @Test func allOfItMayBeCommentedOut() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("c.yaml", "#threads: 8\n")
    #expect(try DaemonConfiguration(reading: path) == DaemonConfiguration())
  }

  /// None is none; one that was there, or is and cannot be reached, is not.
  @Test func theStandardFileMayBeMissingButNotLost() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("c.yaml")
    #expect(try DaemonConfiguration(standardAt: path) == DaemonConfiguration())
    #expect(throws: YAMLError.unreadable(file: path, code: ENOENT)) {
      try DaemonConfiguration(standardAt: path, wasThere: true)
    }
    let circle = path + ".link"
    try FileManager.default.createSymbolicLink(atPath: circle, withDestinationPath: circle)
    #expect(throws: YAMLError.unreadable(file: circle, code: ELOOP)) {
      try DaemonConfiguration(standardAt: circle)
    }
  }

  @Test(arguments: [
    ("databse: /q", "c.yaml:1:1: unknown key 'databse' in the configuration: did you mean 'database'?"),
    ("threads: 0", "c.yaml:1:10: 'threads' cannot be 0"),
    ("jobs: 0", "c.yaml:1:7: 'jobs' cannot be 0"),
    ("jobs: two", "c.yaml:1:7: 'jobs' must be"),
    ("inputs: []", "c.yaml:1:9: 'inputs' cannot be empty: name a folder"),
    ("models: []", "c.yaml:1:9: 'models' cannot be empty: name a folder"),
    ("private_folder: ~/key", "c.yaml:1:17: 'private_folder' cannot be '~/key'"),
    ("limits:\n  sides: 3", "c.yaml:2:3: unknown key 'sides' in 'limits'"),
    ("limits:\n  side: 4", "c.yaml:2:9: 'side' cannot be 4"),
    ("memory_budget: lots", "c.yaml:1:16: 'memory_budget' cannot be text 'lots': write a size like 4GiB"),
    ("previews: some", "c.yaml:1:11: 'previews' must be true or false"),
    ("preview_vae: taesd", "c.yaml:1:14: 'preview_vae' must be"),
    ("preview_vae: {xl: taesdxl}", "c.yaml:1:15: unknown key 'xl' in 'preview_vae'"),
    ("preview_vae: {sd: ''}", "c.yaml:1:19: 'sd' cannot be ''"),
    ("log_level: loud", "c.yaml:1:12: 'log_level' cannot be 'loud'"),
    ("output: ~/x", "c.yaml:1:9: 'output' cannot be '~/x'"),
    ("models: /m", "c.yaml:1:9: 'models' must be a list"),
    ("worker: 7", "c.yaml:1:9: 'worker' must be text"),
    ("hub: ~/x", "c.yaml:1:6: 'hub' cannot be '~/x'"),
    ("fetch:\n  owner: [a]", "c.yaml:2:3: unknown key 'owner' in 'fetch': did you mean 'owners'?"),
    ("fetch:\n  owners: []", "c.yaml:2:11: 'owners' cannot be empty: name an owner"),
    ("fetch:\n  hosts: [example.org]", "c.yaml:2:11: a site of 'hosts' cannot be 'example.org'"),
    ("fetch:\n  largest: much", "c.yaml:2:12: 'largest' cannot be text 'much': write a size like 4GiB"),
  ])
  func wrongFilesAreRefusedWithLineAndColumn(text: String, complaint: String) throws {
    let error = #expect(throws: YAMLError.self) { try configuration(text) }
    #expect(error?.description.hasPrefix(complaint) == true, "\(error?.description ?? "")")
  }

  /// Somebody comments all folders out: without the key, everything would be allowed.
  @Test(arguments: ["models", "inputs"])
  func aListWithoutFoldersIsAnError(key: String) throws {
    for list in ["", " ~", " null", " []", "\n  # - /a\n#  - /b\n", "\n# - /a\nthreads: 2"] {
      let error = #expect(throws: YAMLError.self, "\(list)") { try configuration("\(key):\(list)") }
      let text = error?.description ?? ""
      #expect(
        text.hasPrefix("c.yaml:1:") && text.contains("'\(key)' cannot be empty: name a folder"), "\(text)")
    }
  }

  @Test func theKeyIsBesideTheQueueUnlessItIsSaid() throws {
    #expect(
      try configuration("database: /q/a.sqlite").settings(environment: [:]).privateFolder
        == "/q/a.sqlite.private")
    let service = try configuration("threads: 1").settings(environment: ["STATE_DIRECTORY": "/var/lib/segmoe"]
    )
    #expect(service.privateFolder == "/var/lib/segmoe/queue.sqlite.private")
    let said = try DaemonConfiguration(environment: ["SEGMOE_PRIVATE_FOLDER": "/k"])
      .over(configuration("private_folder: /f"))
    #expect(said.settings(environment: [:]).privateFolder == "/k")
    #expect(try configuration("private_folder: /f").settings(environment: [:]).privateFolder == "/f")
  }

  /// What a person starts shares its hashes with the person's other programs; a service keeps them to itself.
  @Test func hashesAreThePersonsOwn() throws {
    func place(_ text: String, _ environment: [String: String]) throws -> String {
      try DaemonConfiguration(environment: environment).over(configuration(text))
        .settings(environment: environment).digestFolder
    }
    let anna = ["HOME": "/home/anna"]
    let cache = "/home/anna/.cache/segmoe/digests"
    #expect(try place("database: /q/a.sqlite", anna) == cache)
    #expect(try place("database: /q/b.sqlite", anna) == cache)
    #expect(try place("threads: 1", anna.merging(["SEGMOE_CACHE": "/c"]) { $1 }) == "/c/digests")
    #expect(try place("threads: 1", anna.merging(["XDG_CACHE_HOME": "/x"]) { $1 }) == "/x/segmoe/digests")
    // Nobody's home, a service, or a folder of its own.
    #expect(try place("database: /q/a.sqlite", [:]) == "/q/a.sqlite.private/digests")
    #expect(
      try place("threads: 1", anna.merging(["STATE_DIRECTORY": "/var/lib/segmoe"]) { $1 })
        == "/var/lib/segmoe/queue.sqlite.private/digests")
    #expect(try place("private_folder: /p", anna) == "/p/digests")
    #expect(try place("digests: /d\nprivate_folder: /p", anna) == "/d")
    #expect(try place("digests: /d", anna.merging(["SEGMOE_DIGESTS": "/e"]) { $1 }) == "/e")
  }

  @Test func theEnvironmentGoesBeforeTheFileAndFlagsBeforeBoth() throws {
    let file = try configuration("threads: 1\nworker: file\nlog_level: error\nlimits: {side: 64}")
    let environment = try DaemonConfiguration(environment: [
      "SEGMOE_THREADS": "2", "SEGMOE_WORKER": "environment", "SEGMOE_MODELS": "/a:/b", "SEGMOE_OUTPUT": "",
      "SEGMOE_LIMITS_SIDE": "128", "SEGMOE_JOBS": "2",
    ])
    var flags = DaemonConfiguration()
    flags.threads = 3
    let settings = flags.over(environment).over(file).settings(environment: [:])
    #expect(settings.threads == 3 && settings.worker == "environment" && settings.logLevel == .error)
    #expect(settings.modelFolders == ["/a", "/b"] && settings.limits.side == 128)
    #expect(settings.jobs == 2)
    var changed = settings
    changed.jobs = 3
    var running = settings
    #expect(running.reload(changed) == ["jobs"] && running.jobs == 2)
  }

  @Test func wrongVariablesAreNamed() {
    #expect(
      throws: EnvironmentError(name: "SEGMOE_THREADS", value: "many", rule: "it must be from 1 to 1024")
    ) {
      try DaemonConfiguration(environment: ["SEGMOE_THREADS": "many"])
    }
    for (name, value) in [("SEGMOE_MEMORY_BUDGET", "lots"), ("SEGMOE_JOBS", "0")] {
      #expect(throws: EnvironmentError.self) { try DaemonConfiguration(environment: [name: value]) }
    }
  }

  @Test func aServiceLivesInItsStateFolder() {
    let settings = DaemonConfiguration().settings(environment: [
      "STATE_DIRECTORY": "/var/lib/segmoe:/var/lib/segmoe/pictures", "HOME": "/root",
    ])
    #expect(settings.database == "/var/lib/segmoe/queue.sqlite")
    #expect(settings.output == "/var/lib/segmoe/pictures")
    #expect(settings.modelFolders == ["/var/lib/segmoe/models"])
  }

  /// Each family's has a source of its own.
  @Test func autoencodersOfPreviewsAreNamedByFamily() throws {
    let variables = try DaemonConfiguration(environment: ["SEGMOE_PREVIEW_VAE_SDXL": "b"])
    let both = try variables.over(configuration("preview_vae: {sd: a, sdxl: c}"))
    #expect(both.settings(environment: [:]).previewVAE == PreviewVAENames(sd: "a", sdxl: "b"))
    #expect(throws: EnvironmentError.self) {
      try DaemonConfiguration(environment: ["SEGMOE_PREVIEW_VAE_SD": String(repeating: "a", count: 5000)])
    }
    var settings = both.settings(environment: [:])
    #expect(
      settings.reload(try configuration("preview_vae: {sd: a}").settings(environment: [:])) == ["preview_vae"]
    )
  }

  /// What may be fetched, and where it is put.
  @Test func whatMayBeFetchedIsSaid() throws {
    let standard = try configuration("threads: 1").settings(environment: [:])
    #expect(standard.sourceLimits == SourceLimits() && standard.hub == nil)
    let text = "fetch: {owners: [Segmind, x], hosts: [huggingface.co], largest: 1GiB}\nmodels: [/m]"
    let said = try configuration(text).settings(environment: ["STATE_DIRECTORY": "/var/lib/segmoe"])
    #expect(said.sourceLimits.owners == ["segmind", "x"] && said.sourceLimits.hosts == [.huggingFace])
    #expect(said.sourceLimits.largest == 1 << 30 && said.hub == "/var/lib/segmoe/hub")
    #expect(said.allowedFolders == ["/m", "/var/lib/segmoe/hub"])
    let variables = try DaemonConfiguration(environment: [
      "SEGMOE_FETCH_OWNERS": "a, b", "SEGMOE_FETCH_HOSTS": "civitai.com", "SEGMOE_FETCH_LARGEST": "2GiB",
      "SEGMOE_HUB": "/h",
    ])
    let both = try variables.over(configuration(text)).settings(environment: [:])
    #expect(both.sourceLimits.owners == ["a", "b"] && both.sourceLimits.hosts == [.civitai])
    #expect(both.sourceLimits.largest == 2 << 30 && both.hub == "/h")
    for (name, value) in [("OWNERS", "a,,b"), ("HOSTS", "example.org"), ("LARGEST", "much")] {
      #expect(throws: EnvironmentError.self) {
        try DaemonConfiguration(environment: ["SEGMOE_FETCH_\(name)": value])
      }
    }
  }

  @Test func reloadTakesWhatCanChangeAndNamesTheRest() throws {
    var settings = try configuration("threads: 1\nmodels: [/m]").settings(environment: [:])
    let ignored = settings.reload(
      try configuration("threads: 2\nmodels: [/n]\nlimits: {side: 64}\nmemory_budget: 1GiB").settings(
        environment: [:]))
    #expect(ignored == ["threads"] && settings.threads == 1)
    #expect(settings.modelFolders == ["/n"] && settings.limits.side == 64)
    #expect(settings.memoryBudget == 1 << 30)
  }

  @Test func limitsHoldAtTheClaimAndAReloadChangesThem() throws {
    let house = try DaemonHouse()
    var settings = house.settings(drain: false)
    settings.limits.side = 32
    var log = Logger(label: "test")
    log.logLevel = .critical
    let worker = try Worker(settings, log: log)
    let thread = Thread { try? worker.run() }
    thread.start()
    let refused = try house.enqueue()
    try house.wait { try house.job(refused).state == .failed }
    #expect(try house.job(refused).failure?.message.contains("32") == true)
    settings.limits.side = 64
    worker.reload(settings)
    let taken = try house.enqueue()
    try house.wait { try house.job(taken).state == .done }
    worker.requestStop()
  }

  @Test func logLinesCannotBeForged() {
    let time = Date(timeIntervalSince1970: 0)
    let hostile = "a\n<0>b\u{1B}[2Jc"
    let line = ServiceLog.line(hostile, level: .info, isJournal: true, time: time)
    #expect(line == "<6>a\\n<0>b\\u{1B}[2Jc\n")
    #expect(ServiceLog.line("x", level: .error, isJournal: true, time: time) == "<3>x\n")
    #expect(
      ServiceLog.line("x", level: .warning, isJournal: false, time: time)
        == "1970-01-01T00:00:00Z warning: x\n")
    #expect(!Journal.hears(environment: ["JOURNAL_STREAM": "1:2"]))
  }
}
