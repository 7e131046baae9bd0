import Boundary
import CommandLine
import Foundation
import Hub
import JobStore
import PostgresStore
import RenderDaemon
import Tensors
import WeightCache

/// Looks whether the machine is as the settings say, before anything is rendered.
struct SettingsCheck {
  let settings: DaemonSettings
  /// The variables that the daemon has.
  let environment: [String: String]
  /// The unit that starts it; nil: this process is it.
  let unit: ServiceUnit?
  /// The folder that stands for `/`; empty: `/` itself.
  let root: String

  /// What is wrong, in the order of the configuration.
  var faults: [SettingsFault] {
    unknownVariables + [databaseFault].compactMap { $0 } + folderFaults
      + [jobsFault, budgetFault, sharedFault].compactMap { $0 } + previewFaults
  }

  /// Ends on what will not pass by itself.
  /// - Throws: `Problem` with the first such fault.
  func refuse() throws {
    if let fault = faults.first(where: { !$0.passes }) { throw Problem(fault.exit, fault.message) }
  }

  private var unknownVariables: [SettingsFault] {
    let known =
      DaemonConfiguration.variables + [ProductInstructions.variable, HubSettings.cacheVariable]
    return environment.keys.filter { $0.hasPrefix("SEGMOE_") && !known.contains($0) }.sorted().map { name in
      SettingsFault(
        setting: "$\(name)", fault: "there is no such variable", mend: Nearest.advice(name, among: known),
        exit: .usage)
    }
  }

  private var databaseFault: SettingsFault? {
    if QueueDatabase.isServer(settings.database) {
      do {
        _ = try ServerAddress(settings.database)
        return nil
      } catch {
        return SettingsFault(
          setting: "database", fault: "\(error)", mend: "docs/postgresql.md has examples", exit: .usage)
      }
    }
    return writing(
      "database", below: URL(fileURLWithPath: settings.database).deletingLastPathComponent().path)
  }

  private var folderFaults: [SettingsFault] {
    var faults = [writing("output", below: settings.output)]
    faults += settings.modelFolders.map { reading("models", $0) }
    faults += settings.inputFolders.map { reading("inputs", $0) }
    if let metrics = settings.metrics {
      faults.append(
        writing("metrics", below: URL(fileURLWithPath: metrics).deletingLastPathComponent().path))
    }
    faults.append(writing("private_folder", below: settings.privateFolder))
    return faults.compactMap { $0 }
  }

  /// A daemon renders without them. It says so, and looks for them before each job.
  private var previewFaults: [SettingsFault] {
    PreviewVAEFault.all(of: settings, root: root).map {
      SettingsFault(
        setting: $0.key, fault: PlainText.line($0.fault),
        mend: "put a TAESD of that name into a model folder, or leave the key out",
        exit: $0.isMissing ? .missing : .badInput, passes: true)
    }
  }

  /// Whether there is such a place is seen when it is needed: it may come.
  private var sharedFault: SettingsFault? {
    do {
      _ = try settings.sharedPlace(environment: environment)
      return nil
    } catch {
      return SettingsFault(
        setting: "shared", fault: "\(error)", mend: "docs/shared-place.md has examples",
        exit: (error as? any ExitCoded)?.exit ?? .usage)
    }
  }

  private var jobsFault: SettingsFault? {
    let threads = settings.allThreads
    guard settings.jobs > threads else { return nil }
    return SettingsFault(
      setting: "jobs", fault: "\(settings.jobs) jobs cannot share \(threads) thread(s)",
      mend: "write at most \(threads), or more threads", exit: .usage)
  }

  private var budgetFault: SettingsFault? {
    guard let budget = settings.memoryBudget else { return nil }
    let machine = ProcessInfo.processInfo.physicalMemory
    let text = MemoryBudget(bytes: budget).text
    if budget > machine {
      return SettingsFault(
        setting: "memory_budget", fault: "\(text) is more than this machine has (\(machine >> 20)MiB)",
        mend: "write less, or leave it out: then it is what the machine has left", exit: .badInput)
    }
    if budget < MemoryBudget.margin {
      return SettingsFault(
        setting: "memory_budget", fault: "\(text) is less than the program takes without any model",
        mend:
          "write at least \(MemoryBudget(bytes: MemoryBudget.margin).text), and as much as a render needs",
        exit: .badInput)
    }
    return nil
  }

  // MARK: Folders

  /// Whether models or pictures can be read there.
  private func reading(_ setting: String, _ folder: String) -> SettingsFault? {
    if let unit, unit.makes(folder), Glibc.access(root + folder, F_OK) != 0 { return nil }
    if let unit, let hidden = unit.hides(folder) { return sandboxed(setting, folder, "read", unit, hidden) }
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: root + folder, isDirectory: &isFolder) else {
      return SettingsFault(
        setting: setting, fault: "\(folder) is not there", mend: "make the folder, or write another",
        exit: .missing)
    }
    guard isFolder.boolValue else {
      return SettingsFault(
        setting: setting, fault: "\(folder) is no folder", mend: "write the folder that it is in",
        exit: .badInput)
    }
    guard access(to: folder, read: true) else { return forbidden(setting, folder, folder, "read") }
    return nil
  }

  /// Whether files can be made there, and the folder itself if it is not there yet.
  private func writing(_ setting: String, below folder: String) -> SettingsFault? {
    if let unit, !unit.mayWrite(folder) {
      return sandboxed(setting, folder, "write to", unit, unit.hides(folder))
    }
    if let unit, unit.makes(folder), Glibc.access(root + folder, F_OK) != 0 { return nil }
    var place = folder
    while place.count > 1, Glibc.access(root + place, F_OK) != 0, errno == ENOENT {
      place = URL(fileURLWithPath: place).deletingLastPathComponent().path
    }
    var isFolder: ObjCBool = false
    if FileManager.default.fileExists(atPath: root + place, isDirectory: &isFolder), !isFolder.boolValue {
      return SettingsFault(
        setting: setting, fault: "\(place) is no folder", mend: "move it away, or write another folder",
        exit: .badInput, passes: true)
    }
    // Another user's rights do not tell of a file system that is read-only, nor does root's.
    return access(to: place, read: false) ? nil : forbidden(setting, folder, place, "write to")
  }

  private func access(to path: String, read: Bool) -> Bool {
    if let unit { return UserRights(unit.user).may(read ? [.read, .enter] : [.write, .enter], root + path) }
    return Glibc.access(root + path, (read ? R_OK : W_OK) | X_OK) == 0 || ![EACCES, EROFS].contains(errno)
  }

  private func forbidden(_ setting: String, _ folder: String, _ place: String, _ verb: String)
    -> SettingsFault
  {
    let user = unit?.user ?? UserRights.current
    let mend =
      place == folder
      ? "`sudo chown \(user) \(folder)`, or write another folder"
      : "`sudo install -d -o \(user) \(folder)`, or write another folder"
    return SettingsFault(
      setting: setting, fault: "the user \(user) may not \(verb) \(place)", mend: mend, exit: .notPermitted)
  }

  private func sandboxed(
    _ setting: String, _ folder: String, _ verb: String, _ unit: ServiceUnit, _ hidden: String?
  ) -> SettingsFault {
    let lines: String
    switch hidden {
    case "PrivateTmp": lines = "a folder that is not for temporary files"
    case "ProtectHome":
      lines =
        "the lines [Service] ProtectHome=read-only"
        + (verb == "read" ? "" : " ReadWritePaths=\(folder)") + " by `sudo systemctl edit segmoed`"
    default: lines = "the lines [Service] ReadWritePaths=\(folder) by `sudo systemctl edit segmoed`"
    }
    return SettingsFault(
      setting: setting,
      fault:
        "the sandbox of \(unit.path)\(hidden.map { " (\($0))" } ?? "") does not let it \(verb) \(folder)",
      mend: "write \(lines)", exit: .notPermitted)
  }
}

/// A setting under which the daemon would fail later, job by job.
struct SettingsFault: Equatable {
  /// The key of the configuration, or the environment variable.
  let setting: String
  /// What is wrong.
  let fault: String
  /// What a person can do.
  let mend: String
  /// How a daemon ends that finds it at its start. None of these codes is tried again by systemd.
  let exit: ProgramExit
  /// Whether it may pass by itself, as a file does that lies where a disk is mounted later. A daemon waits for that.
  var passes = false

  /// One line.
  var message: String { "\(setting): \(fault); \(mend)" }
}
