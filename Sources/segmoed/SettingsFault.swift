import Boundary
import CommandLine

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

  /// One line.
  var message: String { "\(setting): \(fault); \(mend)" }
}
