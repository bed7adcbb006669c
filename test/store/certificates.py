"""Certificates for a store that asks for them, made with openssl in a folder of the test's."""

import ssl
import subprocess

KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


class Certificates:
    """An authority that issued `server` and `client`, and `other`, which issued nothing here."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(parents=True)
        for name in ("authority", "other"):
            openssl("req", "-x509", *KEY, "-days", 30, "-subj", f"/CN={name}",
                    "-keyout", self.key(name), "-out", self.certificate(name))
        # etcd shows its own certificate when its gateway calls it. Without a name in it, because
        # it refuses the gateway those with one as soon as it asks for passwords.
        extension = folder / "extension"
        extension.write_text("subjectAltName=IP:127.0.0.1\n"
                             "extendedKeyUsage=serverAuth,clientAuth\n")
        for name in ("server", "client"):
            request = folder / f"{name}.csr"
            openssl("req", *KEY, "-subj", f"/O={name}", "-keyout", self.key(name), "-out", request)
            openssl("x509", "-req", "-in", request, "-CA", self.certificate("authority"),
                    "-CAkey", self.key("authority"), "-CAcreateserial", "-days", 30,
                    "-extfile", extension, "-out", self.certificate(name))

    def certificate(self, name):
        return self.folder / f"{name}.pem"

    def key(self, name):
        return self.folder / f"{name}.key"

    def context(self):
        """For a client that shows its certificate."""
        context = ssl.create_default_context(cafile=self.certificate("authority"))
        context.load_cert_chain(self.certificate("client"), self.key("client"))
        return context

    def server_options(self):
        """Of etcd: nobody without a certificate is served."""
        return ("--cert-file", self.certificate("server"), "--key-file", self.key("server"),
                "--client-cert-auth", "--trusted-ca-file", self.certificate("authority"))

    def drive_options(self, authority="authority", client=True):
        """Of the nodes' client."""
        shown = ("--certificate", self.certificate("client"), "--key", self.key("client"))
        return ("--authority", self.certificate(authority), *(shown if client else ()))
