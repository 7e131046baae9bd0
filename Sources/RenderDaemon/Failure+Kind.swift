import Checkpoints
import Diffusion
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
    case .outputFolder: .transient
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
