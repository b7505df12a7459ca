import Address
import Policy
import Wire

/// What a person reads who opens the gateway's own address in a browser: what to enter on which device. Made for the client that
/// asks: it names the listeners that are for that one, and nothing else of the gateway.
struct Guide {
    let settings: ClientSettings
    /// The listener that was asked.
    let gateway: Premises.Offer
    /// nil: no https listener shows a certificate by the gateway's own authority.
    let authority: CertificateFacts?
    /// What asks; nil: it does not say.
    let device: ClientDevice?

    /// A page for a browser, a few lines for anything else.
    func answer(to head: HTTPRequestHead) -> OwnResponse {
        guard head.prefersHTML else {
            return OwnResponse(summary, mediaType: "text/plain; charset=utf-8")
        }
        return OwnResponse("", mediaType: "").with(Page(title: "Set up this device – Gatehouse", content: content))
    }

    private var summary: String {
        var lines = settings.offers.map { "\($0.title): \($0.endpoint)" }
        if let script = settings.script { lines.append("Automatic configuration: \(script)") }
        return "This is Gatehouse, a proxy. Open this address in a browser to see what to enter where.\n"
            + lines.joined(separator: "\n") + "\n"
    }

    // MARK: the page

    private var content: Markup {
        """
        <article class="sheet">
        <h1>Set up this device</h1>
        <p>This is the gateway of the network that you are in, at \(gateway.endpoint.address). Devices reach the internet through \
        its proxies.</p>
        \(script)
        </article>
        <section class="sheet">
        <h2>What to enter where</h2>
        \(inOrder.map(instructions))
        </section>
        \(trust)
        <section class="sheet">
        <h2>The proxies</h2>
        <table class="list"><thead><tr><th>Proxy</th><th>Address</th><th>Port</th></tr></thead><tbody>
        \(settings.offers.map(row))
        </tbody></table>
        \(settings.offers.contains(where: \.needsPassword) ? Self.password : "")
        </section>
        <footer><p>\(ClientDevice.appsCaveat)</p></footer>
        """
    }

    private static let password: Markup = """
        <p class="soft">User and password are those that you were given for this gateway.</p>
        """

    private var script: Markup {
        guard let script = settings.script else { return "" }
        return """
            <p>Most devices need one address, in the place for automatic proxy configuration (PAC):</p>
            <code class="copy">\(script)</code>
            """
    }

    private func row(_ offer: Premises.Offer) -> Markup {
        """
        <tr><td>\(offer.title)\(offer.needsPassword ? ", with a password" : "")</td><td><code>\(offer.endpoint.address)</code></td>\
        <td><code>\("\(offer.endpoint.port)")</code></td></tr>
        """
    }

    /// The device that asks comes first.
    private var inOrder: [ClientDevice] {
        [device].compactMap(\.self) + ClientDevice.allCases.filter { $0 != device }
    }

    private func instructions(_ device: ClientDevice) -> Markup {
        let ways = device.ways(with: settings)
        guard !ways.isEmpty else { return "" }
        return """
            <details\(device == self.device ? " open" as Markup : "")><summary>\(device.title)</summary><div>
            \(ways.map(way))
            </div></details>
            """
    }

    private func way(_ way: ClientDevice.Way) -> Markup {
        var parts: [Markup] = ["<h3>\(way.title)</h3>\n"]
        if !way.fields.isEmpty {
            let rows = way.fields.map { "<tr><th>\($0.name)</th><td><code>\($0.value)</code></td></tr>\n" as Markup }
            parts.append("<table class=\"form\"><tbody>\n\(rows)</tbody></table>\n")
        }
        if !way.commands.isEmpty {
            parts.append("<pre class=\"copy\">\(way.commands.joined(separator: "\n"))</pre>\n")
        }
        if let ending = way.ending { parts.append("<h3>\(ending)</h3>\n") }
        return "\(parts)"
    }

    // MARK: the authority

    private var trust: Markup {
        guard let authority, settings.https != nil else { return "" }
        return """
            <section class="sheet">
            <h2>The certificate of the HTTPS proxy</h2>
            <p>What is to use the HTTPS proxy has to trust this gateway’s own authority. It vouches for addresses and for local \
            names alone.</p>
            <p class="buttons"><a href="/\(ConfigurationProfile.file)">Profile for iPhone, iPad and Mac</a>\
            <a href="/\(ClientSettings.authorityFile)">Certificate for all others</a></p>
            \(inOrder.map(trusting))
            <p class="soft">\(ClientSettings.authorityCaveat)</p>
            <p class="finger">SHA-256, to be compared with what <code>gatehousectl tls show</code> prints on the gateway:<br>\
            <code>\(authority.fingerprint)</code></p>
            </section>
            """
    }

    private func trusting(_ device: ClientDevice) -> Markup {
        guard let way = device.trust else { return "" }
        return """
            <details\(device == self.device ? " open" as Markup : "")><summary>\(device.title)</summary><div>
            \(self.way(way))
            </div></details>
            """
    }
}

extension Premises.Offer {
    fileprivate var title: String {
        switch kind {
        case .socks5: "SOCKS5"
        case .http: "HTTP"
        case .https: "HTTPS, that is HTTP inside TLS"
        case .mixed: "HTTP and SOCKS5"
        case .dns: "DNS"
        }
    }
}
