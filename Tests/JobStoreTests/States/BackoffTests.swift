import JobStore
import Testing

@Suite struct BackoffTests {
  @Test func doublesUpToItsCeilingAndHalfIsChance() {
    let backoff = Backoff()
    #expect(backoff.pause(afterAttempts: 1, chance: 0) == 2_500)
    #expect(backoff.pause(afterAttempts: 1, chance: 1) == 5_000)
    #expect(backoff.pause(afterAttempts: 3, chance: 1) == 20_000)
    #expect(backoff.pause(afterAttempts: .max, chance: 1) == 600_000)
    #expect(backoff.pause(afterAttempts: .min, chance: 1) == 5_000)
  }
}
