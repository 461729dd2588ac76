# work.R N: prints counts and checksums.
n <- as.integer(commandArgs(TRUE)[1])

words <- sprintf("%s%d", strrep("ab", seq_len(n) %% 9), seq_len(n) * 7919 %% 10007)
frame <- data.frame(i = seq_len(n), word = words, k = seq_len(n) * 31 %% 97)
print(head(aggregate(i ~ k, frame, sum), 3))
print(nrow(merge(frame[1:(n / 4), ], frame[frame$k < 50, ], by = "word")))
print(head(sort(table(nchar(frame$word)), decreasing = TRUE), 3))
print(sum(grepl("a.*7", words)), digits = 10)
print(substr(paste(rev(sort(unique(gsub("b+", "-", words)))), collapse = ""), 1, 60))

tree <- function(depth) if (depth == 0) list() else list(tree(depth - 1), depth, tree(depth - 1))
print(sum(unlist(tree(13))))
cache <- new.env()
for (word in words) assign(word, nchar(word), envir = cache)
print(sum(unlist(mget(ls(cache), envir = cache))))

model <- lm(i ~ k + nchar(word), frame)
print(round(coef(model), 3))
m <- matrix((seq_len(90000) * 7) %% 101, 300)
print(sum(m %*% t(m)))

for (round in 1:5) {
    lists <- lapply(seq_len(n), function(i) list(i, as.character(i), c(i, i)))
    lists <- lists[seq(1, n, 3)]
    invisible(gc())
}
print(sum(vapply(lists, function(l) nchar(l[[2]]), 1L)))

parts <- parallel::mclapply(1:4, function(part) {
    sum(nchar(strsplit(paste(words, collapse = " "), " ")[[1]])) + part
}, mc.cores = 4)
print(unlist(parts))
print(sum(unserialize(serialize(frame, NULL))$k))
