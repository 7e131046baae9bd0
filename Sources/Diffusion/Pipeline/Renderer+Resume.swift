import Boundary
import Checkpoints
import Tensors

extension Renderer {
  /// Identifies the request, weights, program and class of numerics that a resume state belongs to. It covers the text
  /// of the whole request, so that new settings are included without a change here.
  private func resumeKey(of request: PictureRequest) -> String {
    var digest = Digest()
    for part in [
      NumericsClass.inUse.description, model.digest, model.precision.rawValue, request.identity,
    ] {
      digest.add(Array("\(part.utf8.count):\(part)".utf8))
    }
    return digest.hexadecimal()
  }

  /// A render between two steps as bytes, for `restore` with the same seal.
  package func resumeState(
    _ denoising: Denoising, of request: PictureRequest, seal: SealingKey
  ) -> [UInt8] {
    resumeState(ResumeState(denoising), of: request, seal: seal)
  }

  /// A state as bytes, for `restore` with the same seal.
  package func resumeState(
    _ state: ResumeState, of request: PictureRequest, seal: SealingKey
  ) -> [UInt8] {
    state.sealed(key: resumeKey(of: request), with: seal)
  }

  /// Continues a render, which `begin` has just begun, from a resume state.
  ///
  /// The bytes may come from anybody. Before anything is allocated or changed, every size and count in them must be
  /// the one that this render has after that step.
  /// - Parameters:
  ///   - denoising: the render as it begins; unchanged if the result is false.
  ///   - bytes: the resume state.
  ///   - request: what is rendered.
  ///   - seal: must be the key that the state was sealed with.
  /// - Returns: false if the bytes are damaged, were sealed with another key, or belong to another request, other
  ///   weights, another version or another class of numerics. Then the render starts at its first step.
  /// - Throws: `MemoryRefusal`
  package func restore(
    _ denoising: inout Denoising, from bytes: [UInt8], of request: PictureRequest, seal: SealingKey
  ) throws -> Bool {
    let state = try MemoryRefusal.check {
      ResumeState(
        sealed: bytes, key: resumeKey(of: request), with: seal, steps: denoising.steps,
        isCut: denoising.plan.savings.cut != nil, shape: denoising.latents.shape
      ) { denoising.expectedCounters(after: $0) }
    }
    guard let state else { return false }
    denoising.scheduler.history = state.history
    denoising.noise = state.noise
    denoising.latents = state.latents
    denoising.step = state.step
    denoising.deep = state.wholeLatents.map {
      DeepFeature(step: denoising.lastWhole(upTo: state.step - 1), latents: $0)
    }
    return true
  }
}

extension Denoising {
  /// The counters of the scheduler's history after this many steps. They depend on the number of steps only, so they
  /// are found by taking the steps on samples of a single number.
  func expectedCounters(after steps: Int) -> [Int] {
    var scheduler = scheduler
    scheduler.history = SchedulerHistory()
    let number = Tensor(shape: [1, 1, 1, 1])
    for call in firstCall..<firstCall + steps {
      _ = scheduler.step(call, output: number, sample: number) { number }
    }
    return scheduler.history.counters
  }
}
