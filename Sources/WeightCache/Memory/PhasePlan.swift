/// What one phase of a render takes. It is found by running the phase on meta tensors: nothing is read or computed.
package struct PhasePlan: Sendable {
  /// The most bytes of tensors at one time.
  package let tensorBytes: Int
  /// Bytes of the largest tensor.
  package let largestTensor: Int
  /// Parts of networks in the order of their use. Of a mixture it is not known which experts will be chosen, so as
  /// many as will be are named.
  package let uses: [PartUse]
  /// Bytes of tensors that stay for the phases that follow.
  package let keptBytes: Int

  /// - Parameters:
  ///   - tensorBytes: the most bytes of tensors at one time.
  ///   - largestTensor: bytes of the largest tensor.
  ///   - uses: parts of networks in the order of their use.
  ///   - keptBytes: bytes of tensors that stay for the phases that follow.
  package init(tensorBytes: Int, largestTensor: Int, uses: [PartUse], keptBytes: Int) {
    self.tensorBytes = tensorBytes
    self.largestTensor = largestTensor
    self.uses = uses
    self.keptBytes = keptBytes
  }

  /// - Parameters:
  ///   - plan: a pass that has run.
  ///   - kept: bytes of tensors that stay for the phases that follow.
  package init(_ plan: PassPlan, kept: Int) {
    self.init(
      tensorBytes: plan.tensorBytes, largestTensor: plan.largestTensor, uses: plan.uses, keptBytes: kept)
  }

  /// Bytes of the largest part: weights need at least this much room.
  package var largestPart: Int { uses.map(\.byteCount).max() ?? 0 }

  /// Bytes of tensors and the largest part: no less will do.
  package var smallest: Int { tensorBytes + largestPart }

  /// This phase with as much room for tensors as another one takes that runs in between, never at the same time.
  /// - Parameters:
  ///   - other: nil: there is none.
  ///   - room: bytes for tensors and weights; nil: there is no bound. If the other takes more, the phase stays as it is.
  package func sharing(with other: PhasePlan?, within room: Int?) -> PhasePlan {
    guard let other, other.tensorBytes > tensorBytes,
      other.tensorBytes + max(largestPart, other.largestPart) <= room ?? .max
    else { return self }
    return PhasePlan(
      tensorBytes: other.tensorBytes, largestTensor: largestTensor, uses: uses, keptBytes: keptBytes)
  }
}

/// What a whole render takes, for `MemoryGovernor.admit`. All numbers are bytes.
package struct MemoryPlan: Sendable {
  /// Tensors and weights that no smaller budget could do without.
  package let smallest: Int
  /// The same under the budget that a refusal names. A larger budget may let a decode go in larger tiles.
  package let enough: Int
  /// The most tensors at one time.
  package let largestPhase: Int
  /// The largest tensor or part.
  package let largestBlock: Int

  /// - Parameters:
  ///   - smallest: tensors and weights that no smaller budget could do without.
  ///   - enough: the same under the budget that a refusal names; nil if it is the same.
  ///   - largestPhase: the most tensors at one time.
  ///   - largestBlock: the largest tensor or part.
  package init(smallest: Int, enough: Int? = nil, largestPhase: Int, largestBlock: Int) {
    self.smallest = smallest
    self.enough = enough ?? smallest
    self.largestPhase = largestPhase
    self.largestBlock = largestBlock
  }
}
