import Boundary
import Checkpoints
import CommandLine
import Configuration
import Diffusion
import Glibc
import Hub
import Images
import Layers
import Merging
import Requests
import Tensors
import WeightCache

// The exit codes for errors of the modules below.

extension CheckpointError: ExitCoded {
  package var exit: ProgramExit {
    switch self {
    case .missingFile: .missing
    case .exhausted: .unavailable
    default: .badInput
    }
  }
}

extension DiffusionError: ExitCoded {
  package var exit: ProgramExit {
    switch self {
    case .unknownScheduler, .size, .setting: .usage
    case .unsupported, .tokenOutOfRange, .mismatch: .badInput
    case .notFinite: .failed
    }
  }
}

extension HubError: ExitCoded {
  package var exit: ProgramExit {
    switch kind {
    case .usage: .usage
    case .damaged: .badInput
    case .missing: .missing
    case .unavailable: .unavailable
    case .notPermitted: .notPermitted
    }
  }
}

extension SourceError: ExitCoded {
  package var exit: ProgramExit { .missing }
}

extension ImageError: ExitCoded {
  package var exit: ProgramExit {
    switch self {
    case .outputExists, .isFolder: .usage
    case .damaged, .tooLarge, .tooManyBytes, .badSize, .badText, .noImages: .badInput
    case .unreadable, .outside, .folderMissing: .missing
    case .diskFull: .unavailable
    case .notWritable: .notPermitted
    default: .failed
    }
  }
}

extension LayerError: ExitCoded {
  package var exit: ProgramExit { .badInput }
}

extension MemoryError: ExitCoded {
  package var exit: ProgramExit {
    if case .budget = self { return .usage }
    return .unavailable
  }
}

extension MergeError: ExitCoded {
  package var exit: ProgramExit {
    switch self {
    case .notWritable: .failed
    case .noPlace(_, _, EACCES), .noPlace(_, _, EPERM), .noPlace(_, _, EROFS): .notPermitted
    case .noPlace(_, _, ENOENT), .noPlace(_, _, ENOTDIR): .missing
    case .noPlace(_, _, ENOSPC), .noPlace(_, _, EDQUOT): .unavailable
    case .noPlace: .failed
    default: .badInput
    }
  }
}

extension RecipeError: ExitCoded {
  package var exit: ProgramExit {
    switch self {
    case .sourceMissing, .source, .yaml(.unreadable): .missing
    default: .badInput
    }
  }
}
