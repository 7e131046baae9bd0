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
    // A password whose signs nobody has written with a %.
    "postgresql://ann:s3cret/x@db/queue", "postgresql://ann:x/s3cret@db:5432/queue",
    "postgresql://ann:x@s3cret@db/queue", "postgresql://ann:x@s3cret/queue@db/queue",
    "postgresql://?password=s3cret@db/queue", "postgresql://db:s3cret/queue",
    "postgresql://db/queue&password=s3cret", "postgresql://db&password=s3cret",
    "postgresql:///password=s3cret",
    // Addresses of other programs.
    "POSTGRESQL://ann:s3cret@db/queue", " postgresql://ann:s3cret@db/queue", "postgresql:ann:s3cret@db/queue",
    "postgresql+psycopg2://ann:s3cret@db/queue", "jdbc:postgresql://db/queue?password=s3cret",
    "dbname=queue password=s3cret", "password = s3cret",
  ])
  func aWrongOneIsNotQuoted(text: String) throws {
    // As a file's path it would be shown.
    #expect(QueueDatabase.isServer(text))
    let error = storeError { _ = try ServerAddress(text) }
    guard case .wrongAddress? = error else {
      Issue.record("another error: \(String(describing: error))")
      return
    }
    #expect(!"\(error.map { "\($0)" } ?? "")".contains("s3cret"))
  }

  @Test(arguments: [
    "queue.sqlite", "/srv/a://b", "./host=db", "a=b.sqlite", "c:/queue", "postgresql", "postgresql/queue", "",
    "://", "=",
  ])
  func aFileIsNoServer(path: String) { #expect(!QueueDatabase.isServer(path)) }

  /// Signs written with a % are no matter.
  @Test(arguments: [
    ("postgresql://ann:s3%2Fcret%40@db/queue", "postgresql://ann@db/queue"),
    ("postgresql://ann:s3?cret&a=b:c#@db/queue", "postgresql://ann@db/queue"),
    ("postgresql:///a%40b%3D%26?host=%40abstract", "postgresql://@abstract/a@b=&"),
    ("postgresql://[::1]:5433/queue", "postgresql://::1:5433/queue"),
    ("postgresql://a:1,b:2/queue?target_session_attrs=read-write", "postgresql://a,b:1,2/queue"),
  ])
  func oddNamesAreTaken(text: String, shown: String) throws {
    #expect(try ServerAddress(text).description == shown)
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
