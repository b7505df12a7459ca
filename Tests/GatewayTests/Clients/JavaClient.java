// Java's two HTTP clients: java.net.http.HttpClient, which knows HTTP proxies, and HttpURLConnection, which knows SOCKS too.
// usage: JavaClient PROXY OUT; BUNDLE and BLOB in the environment
import java.io.*;
import java.net.*;
import java.net.http.*;
import java.nio.file.*;
import java.security.KeyStore;
import java.security.cert.*;
import javax.net.ssl.*;

public class JavaClient {
    static final String[][] BASES = {{"plain", "http://origin.example:8000"}, {"secure", "https://origin.example:8443"}};

    public static void main(String[] arguments) throws Exception {
        URI proxy = URI.create(arguments[0]);
        Path out = Path.of(arguments[1]);
        byte[] blob = Files.readAllBytes(Path.of(System.getenv("BLOB")));
        Authenticator login = new Authenticator() {
            @Override protected PasswordAuthentication getPasswordAuthentication() {
                if (proxy.getUserInfo() == null) return null;
                String[] parts = proxy.getUserInfo().split(":");
                return new PasswordAuthentication(parts[0], parts[1].toCharArray());
            }
        };
        Authenticator.setDefault(login);
        SSLContext trust = trust(System.getenv("BUNDLE"));
        HttpsURLConnection.setDefaultSSLSocketFactory(trust.getSocketFactory());
        boolean isSOCKS = proxy.getScheme().startsWith("socks");
        var address = new InetSocketAddress(proxy.getHost(), proxy.getPort());
        var way = new Proxy(isSOCKS ? Proxy.Type.SOCKS : Proxy.Type.HTTP, address);
        for (String[] base : BASES) {
            var connection = (HttpURLConnection) new URL(base[1] + "/blob").openConnection(way);
            Files.write(out.resolve(base[0] + "-connection"), connection.getInputStream().readAllBytes());
            connection = (HttpURLConnection) new URL(base[1] + "/echo").openConnection(way);
            connection.setDoOutput(true);
            connection.getOutputStream().write(blob);
            Files.write(out.resolve(base[0] + "-connection-sent"), connection.getInputStream().readAllBytes());
        }
        if (isSOCKS) return;
        var client = HttpClient.newBuilder().proxy(ProxySelector.of(address)).authenticator(login).sslContext(trust)
            .build();
        for (String[] base : BASES) {
            var get = HttpRequest.newBuilder(URI.create(base[1] + "/blob")).build();
            keep(out.resolve(base[0] + "-client"), client.send(get, HttpResponse.BodyHandlers.ofByteArray()));
            // On http its default is to ask for HTTP/2 in clear text along with the request (Upgrade: h2c).
            var post = HttpRequest.newBuilder(URI.create(base[1] + "/echo"))
                .POST(HttpRequest.BodyPublishers.ofByteArray(blob)).build();
            keep(out.resolve(base[0] + "-client-sent"), client.send(post, HttpResponse.BodyHandlers.ofByteArray()));
        }
    }

    static void keep(Path file, HttpResponse<byte[]> answer) throws IOException {
        if (answer.statusCode() != 200) throw new IOException(answer.toString());
        Files.write(file, answer.body());
    }

    static SSLContext trust(String bundle) throws Exception {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        try (InputStream file = new FileInputStream(bundle)) {
            int count = 0;
            for (Certificate each : CertificateFactory.getInstance("X.509").generateCertificates(file)) {
                store.setCertificateEntry("" + count++, each);
            }
        }
        TrustManagerFactory managers = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        managers.init(store);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, managers.getTrustManagers(), null);
        return context;
    }
}
