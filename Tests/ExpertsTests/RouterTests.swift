import Experts
import Foundation
import Tensors
import Testing

/// The reference's routing, by hand.
@Suite struct RouterTests {
  private let compute = Compute(threads: 1)

  @Test func choosesByTheSumOverAllRows() {
    // Row 0 alone would choose expert 0; the sum over both rows chooses 2, then 1.
    let gate = Tensor(shape: [3, 2], values: [2, -3, 1, 1, 0, 3])
    let x = Tensor(shape: [2, 1, 2], values: [1, 0, 0, 1])
    let routing = Router(gate: gate, expertsPerCall: 2).route(x, compute)
    #expect(routing.experts == [2, 1])
    // Softmax per row over the chosen two only: logits are (0, 1) and (3, 1).
    let first = 1 / (1 + exp(Float(1)))
    let second = 1 / (1 + exp(Float(-2)))
    #expect(abs(routing.rowWeights[0][0] - first) < 1e-6)
    #expect(abs(routing.rowWeights[0][1] - second) < 1e-6)
    for row in 0..<2 {
      #expect(abs(routing.rowWeights[0][row] + routing.rowWeights[1][row] - 1) < 1e-6)
    }
  }

  @Test func oneExpertWeighsExactlyOne() {
    let gate = Tensor(shape: [2, 1], values: [0.3, 0.2])
    let routing = Router(gate: gate, expertsPerCall: 1).route(
      Tensor(shape: [1, 3, 1], values: [1, 2, 3]), compute)
    #expect(routing.experts == [0])
    #expect(routing.rowWeights == [[1, 1, 1]])
  }

  @Test func equalSumsTakeTheFirst() {
    let gate = Tensor(shape: [3, 1], values: [1, 1, 1])
    let routing = Router(gate: gate, expertsPerCall: 2).route(Tensor(shape: [1, 1, 1], values: [1]), compute)
    #expect(routing.experts == [0, 1])
    #expect(routing.rowWeights == [[0.5], [0.5]])
  }
}
