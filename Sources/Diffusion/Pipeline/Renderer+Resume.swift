import Checkpoints
import Release
import Tensors

extension Renderer {
  /// What a resume state of this render is good for: the same request, weights and program. It covers the text of
  /// the whole request, so that a field that is added to the request counts by itself.
  private func resumeKey(of request: PictureRequest) -> String {
    var digest = Digest()
    for part in [Version.current, model.digest, model.precision.rawValue, request.identity] {
      digest.add(Array("\(part.utf8.count):\(part)".utf8))
    }
    return digest.hexadecimal()
  }

  /// A render between two steps as bytes, to be taken up by `restore`.
  package func resumeState(_ denoising: Denoising, of request: PictureRequest) -> [UInt8] {
    ResumeState(
      step: denoising.step, noise: denoising.noise, latents: denoising.latents,
      history: denoising.scheduler.history
    ).sealed(key: resumeKey(of: request))
  }

  /// Takes up a render that `begin` has just begun where a resume state left it.
  ///
  /// The bytes are other people's input. Nothing is allocated for them, and nothing changes, before every size and
  /// count in them is the one that this render has after that step.
  /// - Returns: false if the bytes are damaged, or of another request, other weights or another version. Then the
  ///   render starts at its first step.
  package func restore(_ denoising: inout Denoising, from bytes: [UInt8], of request: PictureRequest) -> Bool
  {
    let state = ResumeState(
      sealed: bytes, key: resumeKey(of: request), steps: denoising.steps, shape: denoising.latents.shape
    ) { denoising.expectedCounters(after: $0) }
    guard let state else { return false }
    denoising.scheduler.history = state.history
    denoising.noise = state.noise
    denoising.latents = state.latents
    denoising.step = state.step
    return true
  }
}

extension Denoising {
  /// The counters that the scheduler's history has after so many steps of this render, which depend on their number
  /// alone: found by taking the steps with samples of one number.
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
