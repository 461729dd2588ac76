% work.m N: prints checksums that do not depend on rounding.
n = str2double (argv (){1});

words = arrayfun (@(i) sprintf ("%s%d", repmat ("ab", 1, mod (i, 9)), mod (i * 7919, 10007)),
                  1:n, "UniformOutput", false);
sorted = sort (words);
disp (hash ("md5", strjoin (sorted, " ")));

counts = containers.Map ();
for i = 1:n
  key = regexprep (words{i}, '\d+', "");
  key = ["k" key];
  if (counts.isKey (key))
    counts(key) += numel (words{i});
  else
    counts(key) = numel (words{i});
  endif
endfor
disp (cell2mat (counts.values ()));

list = struct ("name", words, "value", num2cell (1:n));
picked = list(cellfun (@(s) any (s == "7"), {list.name}));
disp ([numel(picked), sum([picked.value])]);

total = 0;
for size = 10:10:min (n / 10, 300)
  m = mod (reshape (1:size^2, size, size) * 31, 101);
  total += sum (sum (m * m'));
  total += rank (eye (size)) + numel (num2cell (m));
endfor
disp (total);

text = "";
for i = 1:n
  text = [text, sprintf("%d,", i)];
endfor
parts = strsplit (text, ",");
disp (sum (cellfun (@numel, parts)));
disp (hash ("sha256", evalc ("disp (fliplr (cumsum (mod ((1:n) * 7919, 10007))))")));
f = @(x) ifelse_sum (x);
function r = ifelse_sum (x)
  if (x < 2)
    r = 1;
  else
    r = ifelse_sum (x - 1) + ifelse_sum (x - 2);
  endif
endfunction
disp (f (12 + (n > 1000) * 4));
