// gatehoused: chooses a role and composes it. The role stands in the process's title, which is all that the supervisor
// starts a child with.
import Admin
import Glibc
import Policy
import Proxy
import Reactor
import Supervisor

enum Entry {
    /// Where each role's work begins.
    static let table: [Role: @Sendable (RoleEquipment) throws -> any RoleService] = [
        .socks5: { try RelayRole($0) },
        .http: { try RelayRole($0) },
        .firewall: { FirewallRole($0) },
        .names: { NamesRole($0) },
    ]
}

if CommandLine.arguments[0] == CompanionHost.title { CompanionHost.run() }
if let role = Role(title: CommandLine.arguments[0]), let entry = Entry.table[role] {
    RoleHost.run(role, compose: entry)
}

enum PasswordWorkers {
    /// One thread is enough: passwords are set by hand, one at a time. Made at the first one: a thread that is there before
    /// the supervisor blocks its signals would be killed by them.
    static let shared = Workers(count: 1, capacity: 16)
}

/// What the supervisor has done about certificates, by the one module that knows X.509.
struct OpenSSLIssuer: CertificateIssuer {
    func makeAuthority(host: String, at now: Int) throws(Refusal) -> ServerIdentity {
        try CertificateAuthority.make(host: host, at: now)
    }

    func issue(for names: CertificateNames, by authority: ServerIdentity, at now: Int) throws(Refusal) -> ServerIdentity
    {
        try CertificateAuthority.issue(for: names, by: authority, at: now)
    }

    func check(_ identity: ServerIdentity, at now: Int) throws(Refusal) { try identity.check(at: now) }

    func facts(of pem: String) throws(Refusal) -> CertificateFacts { try CertificateFacts(pem: pem) }
}

do {
    switch try Options.parse(Array(CommandLine.arguments.dropFirst())) {
    case .showUsage:
        print(Options.usage)
    case .showVersion:
        print("gatehoused \(gatehouseVersion)")
    case .run(let options):
        let hashPassword: PasswordHasher = { password throws(Refusal) in
            do throws(Errno) {
                return try await PasswordWorkers.shared.run { Password.hash(password.normalizedUTF8).description }
            } catch {
                throw Refusal("too many passwords are being set at once; try again")
            }
        }
        Daemon.run(options, hashPassword: hashPassword, issuer: OpenSSLIssuer())
    }
} catch {
    let line = Array("gatehoused: \(error)\n".utf8)
    write(2, line, line.count)
    exit(2)
}
