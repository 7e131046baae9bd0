import Boundary
import Glibc

/// What can be wrong with the files of a model. Every message names the file and how to fix it.
package enum CheckpointError: Error, Equatable, Sendable {
  /// A file or folder is missing. `purpose` says what it is for.
  case missingFile(path: String, purpose: String)
  /// The path, or a link on it, leads outside the allowed folders.
  case outside(path: String)
  /// The system refused to open, read or write. `reason` is the system's text.
  case unreadable(path: String, reason: String)
  case unwritable(path: String, reason: String)
  /// Descriptors or memory have run out, in the process or the machine. `reason` is the system's text. The file may be
  /// sound.
  case exhausted(path: String, reason: String)
  /// The file was replaced, cut or written to while it was in use.
  case changed(path: String)
  /// The bytes break the file's format.
  case malformed(path: String, reason: String)
  /// There is no tensor of that name.
  case missingTensor(name: String, path: String)
  /// A tensor's shape is not the one that the model's configuration asks for.
  case wrongShape(name: String, path: String, expected: [Int], found: [Int])
  /// A tensor's element type cannot be read as floats.
  case unreadableType(name: String, path: String, type: String)
  /// Raw bytes were asked for, but the tensor's values differ from the file's (patches, scales, a transposed view).
  case notRaw(name: String, path: String)
  /// The file is a pointer of Git LFS: its content has not been fetched.
  case lfsPointer(path: String)
  /// The file is something else than its name says; `what` says what.
  case mistaken(path: String, what: String)
  /// An adapter for models of another family; `example` tells it.
  case foreignAdapter(path: String, family: String, example: String)
  /// An adapter of a family that cannot be fused here. `example` is one of its keys.
  case unknownAdapter(path: String, family: String, example: String)
  /// There are only pickled weights.
  case pickled(path: String)
  /// A single file that is not a supported kind of checkpoint. `reason` says what it is.
  case unknownCheckpoint(path: String, reason: String)
  /// A single-file checkpoint without an autoencoder.
  case missingVAE(path: String)
  /// A value of a configuration file is missing, of another type, out of range or not supported.
  case badConfig(path: String, key: String, reason: String)
  /// Keys of a LoRA that match no layer of the model.
  case unmatchedKeys(path: String, keys: [String])
  /// A tensor to write is not the one that was declared.
  case wrongOrder(path: String, name: String, reason: String)
}

extension CheckpointError {
  /// Runs `body`, which opens a file or folder, and turns its error into one that names the path.
  /// - Parameter purpose: completes the message if it is not there.
  /// - Throws: `missingFile`, `outside`, `changed`, `exhausted`, `unreadable`.
  static func naming(
    _ path: String, _ purpose: String, _ body: () throws(OpenFailure) -> FoundFile
  ) throws(CheckpointError) -> FoundFile {
    do throws(OpenFailure) {
      return try body()
    } catch {
      throw CheckpointError(error, path: path, purpose: purpose)
    }
  }

  /// Why a file or folder could not be opened.
  /// - Parameters:
  ///   - failure: why opening failed.
  ///   - path: the path as it was given.
  ///   - purpose: completes the message if it is not there.
  package init(_ failure: OpenFailure, path: String, purpose: String) {
    switch failure {
    case .outside: self = .outside(path: path)
    case .exchanged: self = .changed(path: path)
    case .refused(ENOENT), .refused(ENOTDIR): self = .missingFile(path: path, purpose: purpose)
    case .refused(let code):
      let reason = String(cString: strerror(code))
      self =
        failure.isShortage ? .exhausted(path: path, reason: reason) : .unreadable(path: path, reason: reason)
    }
  }
}

extension CheckpointError {
  /// The path of the file or folder.
  package var path: String {
    switch self {
    case .missingFile(let path, _), .outside(let path), .unreadable(let path, _), .unwritable(let path, _),
      .exhausted(let path, _),
      .changed(let path),
      .malformed(let path, _), .missingTensor(_, let path), .wrongShape(_, let path, _, _),
      .unreadableType(_, let path, _), .notRaw(_, let path), .pickled(let path), .lfsPointer(let path),
      .unknownAdapter(let path, _, _), .foreignAdapter(let path, _, _), .mistaken(let path, _),
      .unknownCheckpoint(let path, _), .missingVAE(let path), .badConfig(let path, _, _),
      .unmatchedKeys(let path, _), .wrongOrder(let path, _, _):
      path
    }
  }
}

extension CheckpointError: CustomStringConvertible {
  /// One line: what is wrong, and how to fix it.
  package var description: String {
    switch self {
    case .missingFile(let path, let purpose):
      "\(path): not found (\(purpose)); check the path, or download the model again"
    case .outside(let path):
      "\(path): is outside the folders that may be used, or a link that leads outside; move the file there"
    case .unreadable(let path, let reason):
      "\(path): cannot be read: \(reason)"
    case .unwritable(let path, let reason):
      "\(path): cannot be written: \(reason)"
    case .exhausted(let path, let reason):
      "\(path): cannot be opened just now: \(reason); close other files or programs, or allow this process more "
        + "(ulimit -n, LimitNOFILE=)"
    case .changed(let path):
      "\(path): was changed or replaced while in use; load the model again"
    case .malformed(let path, let reason):
      "\(path): damaged or not of this format: \(reason); download or convert the file again"
    case .missingTensor(let name, let path):
      "\(path): has no tensor '\(name)'; the weights do not belong to the model's config.json"
    case .wrongShape(let name, let path, let expected, let found):
      "\(path): tensor '\(name)' has shape \(found), expected \(expected); "
        + "the weights do not belong to the model's config.json"
    case .unreadableType(let name, let path, let type):
      "\(path): tensor '\(name)' has element type \(type); convert it to F32, F16 or BF16"
    case .notRaw(let name, let path):
      "\(path): tensor '\(name)' is patched, scaled or transposed and has no bytes of its own; read it as floats"
    case .lfsPointer(let path):
      "\(path): is a Git LFS pointer, not the file itself; run 'git lfs pull' where it was cloned, "
        + "or download the file"
    case .mistaken(let path, let what):
      "\(path): is \(what), not what its name says; download the file again, or check where it is from"
    case .foreignAdapter(let path, let family, let example):
      "\(path): was made for \(family) (\(example)), which this model is not; take one that was made for models "
        + "of this kind"
    case .unknownAdapter(let path, let family, let example):
      "\(path): is an adapter of the family \(family) (\(example)), which this version of segmoe cannot fuse; "
        + "merge it into the model with its own tools, and name that model"
    case .pickled(let path):
      "\(path): pickled weights are not read, since unpickling can run any program; "
        + "convert them to .safetensors (in Python: safetensors.torch.save_file) or fetch that variant"
    case .unknownCheckpoint(let path, let reason):
      "\(path) \(reason)"
    case .missingVAE(let path):
      "\(path): the checkpoint holds no VAE; name one with --vae (a folder or a .safetensors file)"
    case .badConfig(let path, let key, let reason):
      "\(path): \(key): \(reason)"
    case .unmatchedKeys(let path, let keys):
      "\(path): \(keys.count) keys fit no layer of this model: \(Self.shortList(keys)); "
        + "the file was made for another kind of model"
    case .wrongOrder(let path, let name, let reason):
      "\(path): writing tensor '\(name)': \(reason)"
    }
  }

  /// At most eight keys, so that a message stays one readable line.
  private static func shortList(_ keys: [String]) -> String {
    let shown = keys.prefix(8).joined(separator: ", ")
    return keys.count > 8 ? "\(shown), … (\(keys.count - 8) more)" : shown
  }
}
