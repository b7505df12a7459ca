import Address
import Admin
import ArgumentParser
import Glibc
import Policy

struct TLSVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tls", abstract: "Manage the certificate of the https listeners.",
        discussion: """
            With the first https listener the gateway makes a certificate authority of its own and a certificate that \
            renews by itself. The authority can vouch only for addresses and local names. A device that has its \
            certificate trusts the proxy. None of this is part of a revision, and a rollback leaves it as it is.

            EXAMPLES:
              gatehousectl listener add https 192.168.1.1:3129
              gatehousectl tls export-ca > gatehouse-ca.crt
              curl --proxy https://192.168.1.1:3129 --proxy-cacert gatehouse-ca.crt https://example.org/
              gatehousectl tls use --cert fullchain.pem --key privkey.pem
            """,
        subcommands: [Show.self, ExportCA.self, Use.self, Renew.self])

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "The certificate in force, and the gateway's own authority.")

        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run() throws {
            try Daemon(global).show(GetCertificate(), present)
        }
    }

    struct ExportCA: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "export-ca", abstract: "The certificate of the gateway's own authority, for devices to trust.",
            discussion: """
                PEM on standard output; there is nothing secret in it. It vouches for local names and for addresses, so \
                that nobody who steals its key can pass for a site on the internet. Devices can fetch it from the \
                gateway's own page as well, while there is an https listener. \(ClientSettings.authorityCaveat)
                """)

        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run() throws {
            try Daemon(global).show(GetAuthority()) { reply in
                var text = reply.certificate
                if text.hasSuffix("\n") { text.removeLast() }
                print(text)
            }
        }
    }

    struct Use: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Use a certificate of your own, or the gateway's own again.",
            discussion: """
                Both files are PEM. They are checked before anything changes: the key is the certificate's, nothing has \
                ended, and each certificate is vouched for by the one after it. New clients see it at once; sessions \
                that are open go on.
                """)

        @Option(
            help: ArgumentHelp("The certificate, followed by those that vouch for it.", valueName: "file"),
            completion: .file())
        var cert: String?

        @Option(help: ArgumentHelp("Its key, without a passphrase.", valueName: "file"), completion: .file())
        var key: String?

        @Flag(help: "Use the certificate of the gateway's own authority again.")
        var own = false

        @OptionGroup(title: "Global options") var global: GlobalOptions

        func validate() throws {
            guard own ? cert == nil && key == nil : cert != nil && key != nil else {
                throw ValidationError("Give --cert FILE and --key FILE, or --own alone.")
            }
        }

        func run() throws {
            let call = UseCertificate(certificate: try cert.map(text(ofFile:)), key: try key.map(text(ofFile:)))
            try Daemon(global).show(call, present)
        }
    }

    struct Renew: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Issue a new certificate with a new key, now.",
            discussion: "This happens by itself before the certificate ends, and when the gateway gets another address."
        )

        @Flag(help: "Make another authority, too: every device has to be given its certificate then.")
        var authority = false

        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run() throws {
            try Daemon(global).show(RenewCertificate(authority: authority), present)
        }
    }
}

private func present(_ report: CertificateReport) {
    guard let certificate = report.certificate else {
        return print("No certificate yet: `gatehousectl listener add https ADDRESS:PORT` makes one.")
    }
    let origin = report.isOwn ? "issued by the gateway's own authority" : "brought with `tls use`"
    print("\(Output.standard.styled("certificate", .bold)), \(origin)")
    present(certificate)
    guard let authority = report.authority else { return }
    print()
    print(Output.standard.styled("the gateway's own authority", .bold))
    present(authority)
}

private func present(_ facts: CertificateFacts) {
    let names = facts.names + facts.addresses.map { "\($0)" }
    let lines = [
        ("subject", facts.subject), ("issuer", facts.issuer), ("for", names.joined(separator: ", ")),
        ("valid", "\(localTime(facts.notBefore)) to \(localTime(facts.notAfter))"), ("SHA-256", facts.fingerprint),
    ]
    for (title, value) in lines where !value.isEmpty {
        let gap = String(repeating: " ", count: 8 - title.count)
        print("  \(Output.standard.styled(title, .dim))\(gap) \(printable(value))")
    }
}

/// The text of a file that the operator names. The daemon reads no file for an operator, who might not be allowed to read it.
private func text(ofFile path: String) throws -> String {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw Failure("\(path): \(String(cString: strerror(errno)))") }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 256 << 10)
    var count = 0
    while count < bytes.count {
        let more = bytes.withUnsafeMutableBytes { read(descriptor, $0.baseAddress! + count, $0.count - count) }
        guard more >= 0 else { throw Failure("\(path): \(String(cString: strerror(errno)))") }
        if more == 0 { return String(decoding: bytes[..<count], as: UTF8.self) }
        count += more
    }
    throw Failure("\(path): too large for a certificate or a key")
}
