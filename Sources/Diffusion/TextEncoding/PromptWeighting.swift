/// AUTOMATIC1111's emphasis "Original".
enum PromptWeighting {
  /// Multiplies each token's states by its weight. Then multiplies all states of the chunk by the factor that restores
  /// their old mean.
  /// - Parameters:
  ///   - weights: one a token.
  ///   - states: the chunk's, `width` of each token.
  ///   - width: channels of a token.
  /// - Throws: `DiffusionError.notFinite` if the weights cancel the mean.
  static func apply(_ weights: [Float], to states: inout ArraySlice<Float>, width: Int) throws {
    // In double, so that a mean near zero does not consist of rounding errors.
    var (before, after) = (0.0, 0.0)
    for (token, weight) in weights.enumerated() {
      let start = states.startIndex + token * width
      for place in start..<(start + width) {
        before += Double(states[place])
        states[place] *= weight
        after += Double(states[place])
      }
    }
    let factor = Float(before / after)
    guard factor.isFinite else { throw DiffusionError.notFinite(stage: "weighting of the prompt") }
    for place in states.indices { states[place] *= factor }
  }
}
