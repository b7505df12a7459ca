import Policy
import Wire

/// What iOS, iPadOS and macOS take to trust the gateway's own authority: a property list (Apple, "Configuration Profile
/// Reference": com.apple.security.root).
///
/// It sets no proxy. The payload that sets one for everything (com.apple.proxy.http.global) is for supervised devices, and the
/// one for a Wi-Fi network (com.apple.wifi.managed) brings that network's name and password along.
struct ConfigurationProfile {
    static let file = "gatehouse.mobileconfig"
    static let mediaType = "application/x-apple-aspen-config"

    private let name: String
    /// One profile takes the place of another that has the same.
    private let identifier: String
    /// Base64 of the certificate's DER.
    private let certificate: String
    /// SHA-256 of the certificate, as hexadecimal digits: another authority makes another profile, and the same one the same.
    private let digest: String

    /// - Parameter authority: as PEM, in which the certificate is Base64 already (RFC 7468 §3).
    init(authority: String) throws(Refusal) {
        let facts = try CertificateFacts(pem: authority)
        name = facts.subject.hasPrefix("CN=") ? String(facts.subject.dropFirst(3)) : facts.subject
        identifier = "gatehouse." + name.lowercased().filter { $0.isASCII && ($0.isLetter || $0.isNumber) }
        certificate = authority.split(whereSeparator: \.isNewline).filter { !$0.hasPrefix("-----") }
            .joined(separator: "\n")
        digest = facts.fingerprint.filter { $0 != ":" }
    }

    /// RFC 9562 §5.8: 122 bits of one's own.
    private func identity(_ digits: some StringProtocol) -> String {
        let digits = Array(digits)
        let fields = [
            digits[0..<8], digits[8..<12], "8" + digits[13..<16], "8" + digits[17..<20], digits[20..<32],
        ]
        return fields.map { String($0) }.joined(separator: "-")
    }

    var text: String {
        let markup: Markup = """
            <?xml version="1.0" encoding="UTF-8"?>
            <!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
            <plist version="1.0">
            <dict>
              <key>PayloadType</key><string>Configuration</string>
              <key>PayloadVersion</key><integer>1</integer>
              <key>PayloadIdentifier</key><string>\(identifier)</string>
              <key>PayloadUUID</key><string>\(identity(digest.prefix(32)))</string>
              <key>PayloadDisplayName</key><string>\(name)</string>
              <key>PayloadDescription</key><string>Lets this device know the HTTPS proxy of the gateway. It vouches for \
            addresses and for local names alone.</string>
              <key>PayloadContent</key>
              <array>
                <dict>
                  <key>PayloadType</key><string>com.apple.security.root</string>
                  <key>PayloadVersion</key><integer>1</integer>
                  <key>PayloadIdentifier</key><string>\(identifier).authority</string>
                  <key>PayloadUUID</key><string>\(identity(digest.suffix(32)))</string>
                  <key>PayloadDisplayName</key><string>\(name)</string>
                  <key>PayloadCertificateFileName</key><string>\(ClientSettings.authorityFile)</string>
                  <key>PayloadContent</key>
                  <data>
            \(certificate)
                  </data>
                </dict>
              </array>
            </dict>
            </plist>

            """
        return markup.text
    }
}
