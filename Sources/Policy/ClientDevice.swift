import Address

/// A kind of device, or a program, and how it is set up to use the proxies, in the words of its own menus: `client-setup` prints
/// them, and the gateway's own page shows them.
package enum ClientDevice: String, CaseIterable, Sendable {
    case windows, macos, ios, android, linux, firefox, curl, apt, git

    package var title: String {
        switch self {
        case .windows: "Windows 11"
        case .macos: "macOS"
        case .ios: "iPhone and iPad"
        case .android: "Android"
        case .linux: "Linux"
        case .firefox: "Firefox"
        case .curl: "curl"
        case .apt: "apt"
        case .git: "git"
        }
    }

    package var hasCamera: Bool { self == .ios || self == .android }

    /// Of devices with a camera.
    package static let appsCaveat =
        "Apps that do not go by the setting reach the internet only where the gateway routes the device as well."

    /// The ways to set it up, the best one first; empty: it can use none of the listeners.
    package func ways(with settings: ClientSettings) -> [Way] {
        switch self {
        case .windows: onWindows(settings)
        case .macos: onMac(settings)
        case .ios: onIPhone(settings)
        case .android: onAndroid(settings)
        case .linux: onLinux(settings)
        case .firefox: inFirefox(settings)
        case .curl: withCurl(settings)
        case .apt: withApt(settings)
        case .git: withGit(settings)
        }
    }

    /// One way to set a device up.
    package struct Way: Sendable {
        package typealias Field = (name: String, value: String)

        /// The menu, or the occasion.
        package let title: String
        /// The fields of the form, and their values.
        package var fields: [Field] = []
        /// Commands to be copied as they are.
        package var commands: [String] = []
        package var ending: String?
    }
}

// MARK: devices

extension ClientDevice {
    private func onWindows(_ settings: ClientSettings) -> [Way] {
        let place = "Settings > Network & internet > Proxy"
        var ways: [Way] = []
        if let script = settings.script {
            ways.append(
                Way(
                    title: "\(place) > Use setup script > Set up",
                    fields: [("Use setup script", "On"), ("Script address", script)], ending: "Save"))
        }
        if let http = settings.http {
            ways.append(
                Way(
                    title: "By hand: \(place) > Use a proxy server > Set up",
                    fields: [
                        ("Use a proxy server", "On"), ("Proxy IP address", "\(http.endpoint.address)"),
                        ("Port", "\(http.endpoint.port)"),
                        ("Don't use the proxy server for local (intranet) addresses", "ticked"),
                    ], ending: "Save"))
        }
        return ways
    }

    private func onMac(_ settings: ClientSettings) -> [Way] {
        let place = "System Settings > Network > Wi-Fi > Details... > Proxies"
        var ways: [Way] = []
        if let script = settings.script {
            ways.append(
                Way(title: place, fields: [("Automatic proxy configuration", "on"), ("URL", script)], ending: "OK"))
            ways.append(
                Way(
                    title: "In Terminal (`networksetup -listallnetworkservices` names the others):",
                    commands: ["networksetup -setautoproxyurl Wi-Fi '\(script)'"]))
        }
        var fields: [Way.Field] = []
        if let http = settings.http {
            for name in ["Web proxy (HTTP)", "Secure web proxy (HTTPS)"] { fields += form(name, http) }
        } else if let socks = settings.socks {
            fields += form("SOCKS proxy", socks)
        }
        if !fields.isEmpty {
            ways.append(
                Way(
                    title: "By hand: \(place)", fields: fields, ending: "OK"))
        }
        return ways
    }

    private func form(_ name: String, _ offer: Premises.Offer) -> [Way.Field] {
        let fields: [Way.Field] = [
            (name, "on"), ("  Server", "\(offer.endpoint.address)"), ("  Port", "\(offer.endpoint.port)"),
        ]
        return offer.needsPassword ? fields + [("  Proxy server requires password", "on")] : fields
    }

    private func onIPhone(_ settings: ClientSettings) -> [Way] {
        let place = "Settings > Wi-Fi > (i) beside the network > Configure Proxy"
        var ways: [Way] = []
        if let script = settings.script {
            ways.append(Way(title: "\(place) > Automatic", fields: [("URL", script)], ending: "Save"))
        }
        if let http = settings.http {
            var fields: [Way.Field] = [("Server", "\(http.endpoint.address)"), ("Port", "\(http.endpoint.port)")]
            if http.needsPassword { fields.append(("Authentication", "on, then Username and Password")) }
            ways.append(Way(title: "By hand: \(place) > Manual", fields: fields, ending: "Save"))
        }
        return ways
    }

    private func onAndroid(_ settings: ClientSettings) -> [Way] {
        let place = "Settings > Network & internet > Internet > gear beside the network > pencil > Advanced options"
        var ways: [Way] = []
        if let script = settings.script {
            ways.append(
                Way(title: place, fields: [("Proxy", "Proxy Auto-Config"), ("PAC URL", script)], ending: "Save"))
        }
        if let http = settings.http {
            ways.append(
                Way(
                    title: "By hand, in the same place",
                    fields: [
                        ("Proxy", "Manual"), ("Proxy hostname", "\(http.endpoint.address)"),
                        ("Proxy port", "\(http.endpoint.port)"),
                    ], ending: "Save"))
        }
        return ways
    }

    private func onLinux(_ settings: ClientSettings) -> [Way] {
        var ways: [Way] = []
        if let script = settings.script {
            ways.append(
                Way(
                    title: "GNOME: Settings > Network > Network Proxy",
                    fields: [("Configuration", "Automatic"), ("Configuration URL", script)]))
            ways.append(
                Way(
                    title: "GNOME, in a terminal:",
                    commands: [
                        "gsettings set org.gnome.system.proxy autoconfig-url '\(script)'",
                        "gsettings set org.gnome.system.proxy mode auto",
                    ]))
            ways.append(
                Way(
                    title: "KDE: System Settings > Wi-Fi & Internet > Proxy (Plasma 5: Network > Settings > Proxy)",
                    fields: [("Use proxy auto configuration URL", script)], ending: "Apply"))
        }
        ways.append(Way(title: "Programs that go by the environment, in ~/.profile:", commands: environment(settings)))
        return ways
    }

    /// Lower case is what all of them read; some read upper case alone, and of `http_proxy` nobody should (httpoxy).
    private func environment(_ settings: ClientSettings) -> [String] {
        var lines: [String] = []
        if let http = settings.anyHTTP {
            lines += ["http_proxy", "https_proxy", "HTTPS_PROXY"].map { "export \($0)='\(http.urlWithLogin)'" }
        }
        if settings.anyHTTP == nil, let socks = settings.socks?.asSOCKS {
            lines += ["all_proxy", "ALL_PROXY"].map { "export \($0)='\(socks.urlWithLogin)'" }
        }
        return lines + ["no_proxy", "NO_PROXY"].map { "export \($0)='localhost,127.0.0.1,::1,.local,.home.arpa'" }
    }
}

// MARK: the authority

extension ClientDevice {
    /// How a device comes to trust the gateway's own authority, once it has the file; nil: a program that is told of the file
    /// whenever it is used.
    package var trust: Way? {
        let file = ClientSettings.authorityFile
        switch self {
        case .windows:
            return Way(
                title: "Open \(file) > Install Certificate...",
                fields: [("Store Location", "Local Machine"), ("Place in", "Trusted Root Certification Authorities")],
                ending: "Finish")
        case .macos:
            return Way(
                title: "Open \(file), which Keychain Access takes; there: the certificate > Trust",
                fields: [("When using this certificate", "Always Trust")])
        case .ios:
            return Way(
                title: "Open it in Safari and allow it, then: Settings > Profile Downloaded > Install",
                ending: "Settings > General > About > Certificate Trust Settings: switch it on")
        case .android:
            return Way(
                title: "Settings > Security & privacy > More security settings > Encryption & credentials",
                fields: [("Install a certificate", "CA certificate, then \(file)")])
        case .linux:
            return Way(
                title: "Debian, Ubuntu and what is made of them:",
                commands: [
                    "sudo cp \(file) /usr/local/share/ca-certificates/", "sudo update-ca-certificates",
                ])
        case .firefox:
            return Way(
                title: "Settings > Privacy & Security > View Certificates... > Authorities > Import...",
                fields: [("Trust this CA to identify websites", "ticked")], ending: "OK")
        case .curl, .apt, .git: return nil
        }
    }
}

// MARK: programs

extension ClientDevice {
    private func inFirefox(_ settings: ClientSettings) -> [Way] {
        let place = "Settings > General > Network Settings > Settings..."
        var ways: [Way] = []
        if let script = settings.script {
            ways.append(Way(title: place, fields: [("Automatic proxy configuration URL", script)], ending: "OK"))
        }
        if let http = settings.http {
            ways.append(
                Way(
                    title: "By hand: \(place) > Manual proxy configuration",
                    fields: [
                        ("HTTP Proxy", "\(http.endpoint.address)"), ("Port", "\(http.endpoint.port)"),
                        ("Also use this proxy for HTTPS", "ticked"),
                    ], ending: "OK"))
        }
        // Firefox knows no password for SOCKS.
        if let socks = settings.socks, !socks.needsPassword {
            ways.append(
                Way(
                    title: "By hand, SOCKS5: \(place) > Manual proxy configuration",
                    fields: [
                        ("SOCKS Host", "\(socks.endpoint.address)"), ("Port", "\(socks.endpoint.port)"),
                        ("SOCKS v5", "chosen"), ("Proxy DNS when using SOCKS v5", "ticked"),
                    ], ending: "OK"))
        }
        return ways
    }

    private func withCurl(_ settings: ClientSettings) -> [Way] {
        let offers = [
            ("Through the HTTP proxy:", settings.http), ("Through the HTTPS proxy:", settings.https),
            ("Through the SOCKS5 proxy:", settings.socks?.asSOCKS),
        ]
        var ways: [Way] = []
        for case (let title, let offer?) in offers {
            // The password is asked for: on the command line everybody on the machine could see it.
            let login = offer.needsPassword ? " --proxy-user USER" : ""
            let authority = offer.kind == .https ? " --proxy-cacert \(ClientSettings.authorityFile)" : ""
            ways.append(
                Way(title: title, commands: ["curl --proxy \(offer.url)\(login)\(authority) https://example.org/"]))
        }
        return ways
    }

    private func withApt(_ settings: ClientSettings) -> [Way] {
        guard let offer = settings.anyHTTP ?? settings.socks?.asSOCKS else { return [] }
        return [
            Way(
                title: "In /etc/apt/apt.conf.d/80gatehouse:",
                commands: ["http", "https"].map { "Acquire::\($0)::Proxy \"\(offer.urlWithLogin)\";" })
        ]
    }

    private func withGit(_ settings: ClientSettings) -> [Way] {
        guard let offer = settings.anyHTTP ?? settings.socks?.asSOCKS else { return [] }
        var ways = [
            Way(
                title: "Repositories over HTTPS:", commands: ["git config --global http.proxy '\(offer.urlWithLogin)'"])
        ]
        if offer.kind == .https {
            ways[0].commands.append("git config --global http.proxySSLCAInfo \"$PWD/\(ClientSettings.authorityFile)\"")
        }
        // nc(1) of OpenBSD and Debian; it has no password.
        var ssh: (protocol: String, offer: Premises.Offer)?
        if let socks = settings.socks, !socks.needsPassword { ssh = ("5", socks) }
        if let http = settings.http, !http.needsPassword { ssh = ("connect", http) }
        if let ssh {
            ways.append(
                Way(
                    title: "Repositories over SSH, in ~/.ssh/config:",
                    commands: [
                        "Host github.com", "  ProxyCommand nc -X \(ssh.protocol) -x \(ssh.offer.endpoint) %h %p",
                    ]))
        }
        return ways
    }
}
