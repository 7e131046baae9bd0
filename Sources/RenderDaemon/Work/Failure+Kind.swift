import Checkpoints
import Diffusion
import Foundation
import Images
import JobStore
import Layers
import Requests
import SharedFiles
import WeightCache

/// What kind of failure an error is, which decides whether the queue retries, holds the model, or gives up.
/// - Parameters:
///   - error: what ended the attempt.
///   - request: of the job.
///   - locator: finds its files. An error in a file that the job adds to its model (a LoRA, a VAE, a learned word)
///     must not hold the model for everybody.
package func failureKind(of error: any Error, request: RenderRequest, locator: ModelLocator) -> FailureKind {
  let additions = request.addedFiles.compactMap { try? locator.path(of: $0) }
  func isAddition(_ path: String) -> Bool {
    additions.contains { path == $0 || path.hasPrefix($0 + "/") }
  }
  switch error {
  case is RequestError: return .badInput
  // A pattern for names that is none.
  case JobStoreError.invalidSetting: return .badInput
  case let error as DiffusionError:
    switch error {
    case .unsupported, .unknownScheduler, .size, .setting: return .badInput
    // A retry would compute the same numbers. Other requests for the model may be fine.
    case .notFinite: return .badInput
    case .mismatch(let path, _): return isAddition(path) ? .badInput : .model
    case .tokenOutOfRange: return .model
    }
  case let error as MemoryError:
    switch error {
    case .budget: return .badInput
    case .machine, .refused: return .transient
    }
  case let error as DaemonError:
    switch error {
    case .modelMissing(let name, _): return name == request.model ? .model : .badInput
    case .noSharedPlace(let name): return name == request.model ? .model : .transient
    case .modelOutside, .tooManyFiles, .unsupported, .inputMissing, .inputOutside: return .badInput
    case .outputFolder, .outputFull: return .transient
    }
  case let error as SharedError:
    switch error {
    case .missing, .damaged, .tooLarge: return .badInput
    default: return .transient
    }
  // What the process or the machine has run out of is nobody's fault.
  case CheckpointError.exhausted: return .transient
  case ImageError.unreadable(_, EMFILE), ImageError.unreadable(_, ENFILE), ImageError.unreadable(_, ENOMEM):
    return .transient
  case let error as CheckpointError:
    if case .outside = error { return .badInput }
    guard isAddition(error.path) else { return .model }
    switch error {
    case .unreadable, .changed: return .transient
    default: return .badInput
    }
  case is LayerError: return request.vae == nil ? .model : .badInput
  case let error as ImageError:
    switch error {
    case .badText, .outside, .unreadable, .damaged, .tooLarge, .tooManyBytes, .badSize: return .badInput
    default: return .transient
    }
  default: return .transient
  }
}

/// Whether an error is a passing fault of the disk or the queue (full, locked, not writable at the moment), which has
/// nothing to do with the job.
func passesByItself(_ error: any Error) -> Bool {
  switch error {
  case ImageError.diskFull, ImageError.notWritable(_, EROFS): true
  case DaemonError.outputFull: true
  // Of the place that finished pictures go to.
  case SharedError.unreachable, SharedError.noRoom, SharedError.forbidden, SharedError.refused: true
  // Faults of the queue are never the job's fault.
  case let error as JobStoreError: error.passesByItself
  default: false
  }
}

extension RenderRequest {
  /// What a job adds to its model: LoRAs, learned words and a VAE, by their names in the request.
  var addedFiles: [String] { loras.map(\.path) + embeddings.map(\.path) + [vae].compactMap { $0 } }
}

/// What a worker needs for a job and does not have. Another worker may.
struct Missing: Sendable {
  /// As the request names it.
  let name: String
  /// Otherwise it is a LoRA, a VAE or a learned word.
  let isModel: Bool

  /// A file that is damaged may still be being copied if it was written to so many seconds ago or less.
  private static let copying = 60.0

  /// nil: the error is not of this kind.
  /// - Parameters:
  ///   - error: what ended the attempt.
  ///   - request: of the job.
  ///   - locator: finds its files.
  init?(_ error: any Error, request: RenderRequest, locator: ModelLocator) {
    if failureKind(of: error, request: request, locator: locator) == .model {
      (name, isModel) = (request.model, true)
      return
    }
    isModel = false
    switch error {
    case DaemonError.modelMissing(let missing, _) where request.addedFiles.contains(missing):
      name = missing
    case DaemonError.noSharedPlace(let missing) where request.addedFiles.contains(missing): name = missing
    case let error as CheckpointError:
      let files = request.addedFiles.compactMap { file in
        (try? locator.path(of: file)).map { (name: file, path: $0) }
      }
      guard let file = files.first(where: { error.path == $0.path || error.path.hasPrefix($0.path + "/") })
      else { return nil }
      switch error {
      case .outside, .unknownAdapter, .unmatchedKeys, .exhausted, .unreadable, .unreadableType, .pickled:
        return nil
      case .missingFile, .changed: break
      default: guard Self.isBeingCopied(error.path) else { return nil }
      }
      name = file.name
    default: return nil
    }
  }

  private static func isBeingCopied(_ path: String) -> Bool {
    var status = stat()
    guard stat(path, &status) == 0 else { return false }
    return abs(Date().timeIntervalSince1970 - Double(status.st_mtim.tv_sec)) < copying
  }
}
