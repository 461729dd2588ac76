/* Takes most of the static TLS that glibc keeps for libraries opened at run time. */
enum { HOG_BYTES = 1000 };

static __thread char hog[HOG_BYTES] __attribute__((tls_model("initial-exec")));

char *tls_hog(void);

char *tls_hog(void)
{
    hog[0]++;
    return hog;
}
