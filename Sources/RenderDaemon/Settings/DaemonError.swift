/// Why this daemon cannot render a job. Errors of the engine have their own types.
enum DaemonError: Error, Equatable, CustomStringConvertible {
  /// No model of that name or path.
  case modelMissing(name: String, searched: [String])
  /// A path outside the folders that jobs may use.
  case modelOutside(path: String, folders: [String])
  /// There are more files in a model's folder than any model has.
  case tooManyFiles(path: String, limit: Int)
  /// There is no starting picture of that name or path.
  case inputMissing(name: String, searched: [String])
  /// A picture outside the folders that jobs may start from.
  case inputOutside(path: String, folders: [String])
  /// Something of a shared place, and this daemon has none.
  case noSharedPlace(name: String)
  /// A setting that this version does not support.
  case unsupported(setting: String, value: String)
  /// The folder for a batch's pictures cannot be made.
  case outputFolder(path: String, reason: String)
  /// The disk is full or takes nothing at the moment, or the folder of all pictures cannot be used.
  case outputFull(path: String, reason: String)

  var description: String {
    switch self {
    case .modelMissing(let name, let searched):
      "model \(name) is not there"
        + (searched.isEmpty ? "; give its folder" : "; looked in \(searched.joined(separator: ", "))")
    case .modelOutside(let path, let folders):
      "model \(path) is outside the model folders (\(folders.joined(separator: ", "))), or leads there by a link; "
        + "move it there or add --models"
    case .tooManyFiles(let path, let limit):
      "more than \(limit) files on the way to \(path): name the model's own folder"
    case .inputMissing(let name, let searched):
      "picture \(name) is not there"
        + (searched.isEmpty ? "; give its path" : "; looked in \(searched.joined(separator: ", "))")
    case .inputOutside(let path, let folders):
      "picture \(path) is outside the input folders (\(folders.joined(separator: ", "))), or leads there by a link; "
        + "move it there or add --inputs"
    case .noSharedPlace(let name):
      "\(name) lies in a shared place, and this daemon knows none: set `shared` (SEGMOE_SHARED) to the place that "
        + "`segmoectl enqueue` used"
    case .unsupported(let setting, let value):
      "\(setting) \(value) is not supported by this version of segmoe"
    case .outputFolder(let path, let reason), .outputFull(let path, let reason):
      "cannot make or use the output folder \(path): \(reason)"
    }
  }
}
