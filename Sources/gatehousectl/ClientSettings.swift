import Address
import Admin
import Policy

/// What a device of the home has to know.
struct ClientSettings {
    let offers: [Premises.Offer]
    /// Where the PAC file is.
    let script: String?
    /// The best of those that speak HTTP outside TLS, inside TLS, and SOCKS5.
    let http: Premises.Offer?
    let https: Premises.Offer?
    let socks: Premises.Offer?

    init(_ reply: GetClientSetup.Reply) {
        offers = reply.offers
        script = reply.autoConfiguration
        func best(_ isFit: (Premises.Offer) -> Bool) -> Premises.Offer? {
            let fit = reply.offers.filter(isFit)
            return fit.first { $0.isIPv4 && !$0.needsPassword } ?? fit.first { !$0.needsPassword } ?? fit.first(
                where: \.isIPv4)
                ?? fit.first
        }
        http = best { $0.kind == .http || $0.kind == .mixed }
        https = best { $0.kind == .https }
        socks = best { $0.kind.speaksSOCKS }
    }

    var isEmpty: Bool { offers.isEmpty }

    /// What a program is to be given that takes the URL of any HTTP proxy.
    var anyHTTP: Premises.Offer? { http ?? https }

    /// What else is good to know.
    func hints(for device: ClientDevice?) -> [String] {
        let named = device == nil ? offers : [http ?? https, socks].compactMap(\.self)
        var hints: [String] = []
        if named.contains(where: \.needsPassword) {
            hints.append(
                "User and password are those of a user of the gateway; `gatehousectl user add NAME` makes one.")
        }
        if let https, http == nil || device == nil || device == .curl {
            hints.append(
                "The HTTPS proxy, port \(https.endpoint.port), wants the gateway's own authority trusted: "
                    + "`gatehousectl tls export-ca > gatehouse-ca.pem`. With a certificate of yours (`tls use`), leave that out "
                    + "and call the gateway by its name.")
        }
        if device?.hasCamera == true {
            hints.append(
                "Apps that do not go by the setting reach nothing beyond the home: the gateway forwards no packets.")
        }
        if offers.allSatisfy(\.endpoint.address.isLoopback) {
            hints.append("127.0.0.1 is this machine alone: `gatehousectl setup` opens it to the home.")
        }
        return hints
    }
}

extension Premises.Offer {
    var needsPassword: Bool { authentication == .required }

    /// For programs that take a URL; names are left to the proxy.
    var url: String { "\(scheme)://\(endpoint)" }

    /// The same with a place for the login, where one is needed.
    var urlWithLogin: String { needsPassword ? "\(scheme)://USER:PASSWORD@\(endpoint)" : url }

    private var scheme: String {
        switch kind {
        case .socks5: "socks5h"
        case .http, .mixed: "http"
        case .https: "https"
        }
    }

    /// The same as SOCKS5, if it speaks that.
    var asSOCKS: Premises.Offer {
        var offer = self
        if kind == .mixed { offer.kind = .socks5 }
        return offer
    }
}
