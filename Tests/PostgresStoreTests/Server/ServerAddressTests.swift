import JobStore
import PostgresStore
import TestSupport
import Testing

/// Addresses, and the passwords in them, which nobody may see.
@Suite struct ServerAddressTests {
  @Test(arguments: [
    (
      "postgresql://ann:s3cret@db.example:5433/queue?sslmode=verify-full",
      "postgresql://ann@db.example:5433/queue"
    ),
    ("postgres://db/queue?password=s3cret&user=ann", "postgresql://ann@db/queue"),
    ("postgresql://", "postgresql:///"),
    ("postgresql:///queue?host=/run/s", "postgresql:///run/s/queue"),
  ])
  func whatIsShown(text: String, shown: String) throws {
    let address = try ServerAddress(text)
    #expect(address.description == shown)
    #expect("\(address)" == shown)
  }

  @Test(arguments: [
    "postgresql://ann:s3cret%zz@db/queue", "postgresql://db/queue?nosuch=s3cret&password=s3cret",
    "postgresql://ann:s3cret@db:port:s3cret/q?x", "postgresql://db/q?sslpassword=s3cret%",
    "postgresql://a\0b",
  ])
  func aWrongOneIsNotQuoted(text: String) throws {
    let error = storeError { _ = try ServerAddress(text) }
    guard case .wrongAddress? = error else {
      Issue.record("another error: \(String(describing: error))")
      return
    }
    #expect(!"\(error.map { "\($0)" } ?? "")".contains("s3cret"))
  }

  @Test func whatIsNotThereIsNamedWithoutThePassword() throws {
    let address = try ServerAddress("postgresql://ann:s3cret@/queue?host=/nowhere/at/all&connect_timeout=2")
    let error = storeError { _ = try PostgresDatabase.open(address, role: .client) }
    guard case .unreachable(let server, _)? = error else {
      Issue.record("another error: \(String(describing: error))")
      return
    }
    #expect(server == "postgresql://ann@/nowhere/at/all/queue")
    #expect(!"\(error.map { "\($0)" } ?? "")".contains("s3cret"))
  }

  /// The server says who was refused, and not with which password.
  @Test(.enabled(if: PostgresServer.isInstalled, Comment(rawValue: PostgresServer.absence)))
  func aRefusedPasswordIsNotShown() throws {
    let address = try PostgresServer.shared().address("postgres")
      .replacing("user=postgres", with: "user=nobody_like_this&password=s3cret")
    let error = storeError { _ = try PostgresDatabase.open(ServerAddress(address), role: .client) }
    #expect(error.map { "\($0)" }?.contains("nobody_like_this") == true)
    #expect(error.map { "\($0)" }?.contains("s3cret") == false)
  }
}
