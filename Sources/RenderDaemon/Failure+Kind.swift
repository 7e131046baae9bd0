import Checkpoints
import Diffusion
import Glibc
import Images
import JobStore
import Layers

/// What the queue should think of an error: retry, hold the model, or give up.
func failureKind(of error: any Error) -> FailureKind {
  switch error {
  case let error as DiffusionError:
    switch error {
    case .unsupported, .unknownScheduler, .size, .setting, .memoryBudget: .badInput
    case .tokenOutOfRange, .mismatch, .notFinite: .model
    case .cancelled, .noMemory: .transient
    }
  case let error as DaemonError:
    switch error {
    case .modelMissing: .model
    case .modelOutside, .unsupported, .inputMissing, .inputOutside: .badInput
    case .outputFolder, .outputFull: .transient
    }
  case is CheckpointError, is LayerError: .model
  case let error as ImageError:
    switch error {
    case .badText, .unreadable, .damaged, .tooLarge, .tooManyBytes, .badSize: .badInput
    default: .transient
    }
  default: .transient
  }
}

/// Whether an error is that of a disk or a queue which may be well again in a while, whatever the job: full, not
/// writable just now, locked.
func passesByItself(_ error: any Error) -> Bool {
  switch error {
  case ImageError.diskFull, ImageError.notWritable(_, EROFS): true
  case DaemonError.outputFull: true
  // What is wrong with the queue is never the job's fault.
  case JobStoreError.diskFull, JobStoreError.busy, JobStoreError.database, JobStoreError.notAccessible: true
  default: false
  }
}
