import Foundation
import TestProcess
import Testing

/// What people enter on their devices is to be right to the letter.
@Suite("gatehousectl client-setup")
struct ClientSetupTests {
    private static let devices = ["windows", "macos", "ios", "android", "linux", "firefox", "curl", "apt", "git"]

    @Test("Without a listener it says how to get one")
    func nothing() throws {
        let outcome = try Home().ctl("client-setup")
        #expect(outcome.status == 1 && outcome.errors.contains("`gatehousectl setup` makes two"), "\(outcome)")
    }

    @Test("Every device is told the PAC file, and the addresses as they are")
    func addresses() throws {
        let home = try Home()
        let (http, socks) = ("127.0.0.1:\(try freePort())", "127.0.0.1:\(try freePort())")
        #expect(try home.ctl("listener", "add", "http", http).status == 0)
        #expect(try home.ctl("listener", "add", "socks5", socks).status == 0)
        let script = "http://\(http)/proxy.pac"
        let plain = try home.ctl("client-setup")
        #expect(plain.output.contains("\n  \(script)\n") && !plain.output.contains("█"), "\(plain)")
        #expect(try home.json("client-setup")["autoConfiguration"] as? String == script)
        #expect(try home.json("client-setup")["page"] as? String == "http://\(http)/")
        #expect(plain.output.contains("\n  http://\(http)/\n"))
        for device in Self.devices {
            let outcome = try home.ctl("client-setup", device)
            let expected =
                switch device {
                case "curl": "curl --proxy http://\(http) https://example.org/"
                case "apt": "Acquire::https::Proxy \"http://\(http)\";"
                case "git": "git config --global http.proxy 'http://\(http)'"
                default: "  \(script)"
                }
            #expect(outcome.status == 0 && outcome.output.contains(expected), "\(device): \(outcome)")
            for line in outcome.output.split(separator: "\n") { #expect(line.count <= 120, "\(line)") }
        }
        #expect(try home.ctl("client-setup", "toaster").status == 2)
    }

    @Test("A password is asked for where it is typed unseen, and has a place where it cannot be asked for")
    func password() throws {
        let home = try Home()
        let mixed = "127.0.0.1:\(try freePort())"
        #expect(try home.ctl("listener", "add", "mixed", mixed, "--auth", "required").status == 0)
        let curl = try home.ctl("client-setup", "curl").output
        #expect(curl.contains("curl --proxy http://\(mixed) --proxy-user USER https://example.org/"))
        #expect(curl.contains("curl --proxy socks5h://\(mixed) --proxy-user USER https://example.org/"))
        #expect(try home.ctl("client-setup", "git").output.contains("'http://USER:PASSWORD@\(mixed)'"))
        #expect(try home.ctl("client-setup", "ios").output.contains("Authentication"))
        #expect(try home.ctl("client-setup").output.contains("gatehousectl user add NAME"))
    }

    @Test("A device that cannot use what there is, is not told what will not work")
    func socksAlone() throws {
        let home = try Home()
        let socks = "127.0.0.1:\(try freePort())"
        #expect(try home.ctl("listener", "add", "socks5", socks).status == 0)
        let phone = try home.ctl("client-setup", "ios")
        #expect(phone.status == 1 && phone.errors.contains("listener add http"), "\(phone)")
        #expect(try home.ctl("client-setup", "linux").output.contains("export all_proxy='socks5h://\(socks)'"))
        #expect(try home.ctl("client-setup", "macos").output.contains("SOCKS proxy"))
    }

    @Test("With an https listener each device is told how it comes to trust it, and which programs never will")
    func authority() throws {
        let home = try Home()
        let https = "127.0.0.1:\(try freePort())"
        for device in Self.devices.prefix(6) {
            #expect(try !home.ctl("client-setup", device).output.contains("authority"), "\(device)")
        }
        #expect(try home.ctl("listener", "add", "https", https).status == 0)
        for device in Self.devices.prefix(6) {
            let told = try home.ctl("client-setup", device).output
            #expect(told.contains("own authority, which its HTTPS proxy wants trusted:"), "\(device): \(told)")
        }
        #expect(try home.ctl("client-setup", "linux").output.contains("    sudo update-ca-certificates\n"))
        #expect(try home.ctl("client-setup", "curl").output.contains("--proxy-cacert gatehouse-ca.crt"))
        let all = try home.ctl("client-setup").output
        #expect(all.contains("mbedTLS") && all.contains("`tls use`") && all.contains("export-ca > gatehouse-ca.crt"))
    }

    @Test("On a terminal there is a QR code that zbarimg reads, with and without colours", arguments: [true, false])
    func code(isColoured: Bool) throws {
        let home = try Home()
        let http = "127.0.0.1:\(try freePort())"
        #expect(try home.ctl("listener", "add", "http", http).status == 0)
        func screen(_ arguments: String...) throws -> String {
            var environment = ["GATEHOUSE_SOCKET": home.socket]
            if !isColoured { environment["NO_COLOR"] = "1" }
            let terminal = try Terminal([Home.ctl, "client-setup"] + arguments, environment: environment)
            #expect(terminal.end() == 0)
            return terminal.screen
        }
        for shown in [try screen(), try screen("ios"), try screen("android")] {
            let picture = Picture(of: shown, isColoured: isColoured)
            #expect(try picture.text() == "http://\(http)/", "\(shown)")
        }
        for shown in [try screen("--no-qr"), try screen("ios", "--no-qr"), try screen("curl")] {
            #expect(!shown.contains("█") && !shown.contains("▀"), "\(shown)")
        }
    }
}

/// The half blocks on a screen as a camera sees them: a bitmap, dark or light.
private struct Picture {
    private var rows: [[Bool]] = []

    /// - Parameter isColoured: they are black on white by their own colours. Else the terminal is taken for a dark one.
    init(of screen: String, isColoured: Bool) {
        let colours = "\u{1b}[38;5;16;48;5;231m"
        for line in screen.split(whereSeparator: \.isNewline) {
            var line = line
            if isColoured {
                guard line.hasPrefix(colours) else { continue }
                line = line.dropFirst(colours.count).prefix { $0 != "\u{1b}" }
            } else {
                guard line.count > 20, line.allSatisfy({ "█▀▄ ".contains($0) }) else { continue }
            }
            rows.append(line.map { ($0 == "█" || $0 == "▀") == isColoured })
            rows.append(line.map { ($0 == "█" || $0 == "▄") == isColoured })
        }
    }

    /// What zbarimg reads in it.
    func text() throws -> String {
        let scale = 4
        // The screen around it is the other way round: if the quiet zone were missing, it would not be found.
        let width = (rows.first?.count ?? 0) + 8
        let dark = [[Bool]](repeating: [Bool](repeating: true, count: width), count: 4)
        let all = dark + rows.map { [true, true, true, true] + $0 + [true, true, true, true] } + dark
        var bitmap = "P1\n\(width * scale) \(all.count * scale)\n"
        for row in all {
            let line = row.map { String(repeating: $0 ? "1 " : "0 ", count: scale) }.joined() + "\n"
            bitmap += String(repeating: line, count: scale)
        }
        let file = FileManager.default.temporaryDirectory.appending(path: "gatehouse-\(UUID()).pbm")
        try bitmap.write(to: file, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(at: file) }
        return try run(["zbarimg", "--quiet", "--raw", file.path], environment: [:]).output
            .trimmingCharacters(in: .newlines)
    }
}
