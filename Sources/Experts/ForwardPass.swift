import Tensors

/// What every layer of a denoising call needs beside its input.
package struct ForwardPass: Sendable {
  /// Where numbers are computed.
  package let compute: Compute
  /// Where expert loads and evictions are counted.
  package let ledger: ExpertLedger
  /// Told the input of every layer that a merge could replace, by its path
  /// (`…transformer_blocks.0.attn1.to_q`), before the layer runs. Merging computes gates from it.
  package let observe: (@Sendable (_ path: String, _ input: Tensor) -> Void)?

  package init(
    compute: Compute, ledger: ExpertLedger = ExpertLedger(),
    observe: (@Sendable (_ path: String, _ input: Tensor) -> Void)? = nil
  ) {
    self.compute = compute
    self.ledger = ledger
    self.observe = observe
  }
}
