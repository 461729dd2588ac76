%% work:main([N]): processes, messages, binaries, maps, tables, regular expressions; prints checksums.
-module(work).
-export([main/1]).

main([Size]) ->
    N = list_to_integer(atom_to_list(Size)),
    print(ring(N)),
    print(binaries(N)),
    print(table(N)),
    print(maps:fold(fun(K, V, Sum) -> Sum + K * length(V) end, 0, groups(N))),
    print(expressions(N)),
    print(parallel(N)),
    print(loaded(N)),
    halt(0).

print(Value) -> io:format("~p~n", [Value]).

%% A message through a ring of N processes, ten times.
ring(N) ->
    Self = self(),
    First = lists:foldl(fun(_, Next) -> spawn(fun() -> pass(Next) end) end, Self, lists:seq(1, N)),
    lists:sum([begin First ! {add, Round, []}, receive {add, Sum, L} -> Sum + length(L) end end
               || Round <- lists:seq(1, 10)]).

pass(Next) ->
    receive {add, Sum, L} -> Next ! {add, Sum + 1, lists:sublist([Sum | L], 50)}, pass(Next) end.

binaries(N) ->
    Parts = [binary:copy(<<(I rem 256)>>, I rem 3000) || I <- lists:seq(1, N)],
    Whole = lists:foldl(fun(Part, Sum) -> <<Sum/binary, Part/binary>> end, <<>>, Parts),
    Squeezed = zlib:compress(Whole),
    Whole = zlib:uncompress(Squeezed),
    {byte_size(Whole), erlang:md5(term_to_binary(lists:reverse(Parts), [{minor_version, 2}]))}.

table(N) ->
    Table = ets:new(table, [ordered_set, public, {write_concurrency, true}]),
    Self = self(),
    Workers = [spawn(fun() ->
        [ets:insert(Table, {{W, I}, integer_to_list(I * W), <<I:256>>}) || I <- lists:seq(1, N)],
        [ets:delete(Table, {W, I}) || I <- lists:seq(1, N, 3)],
        Self ! done
    end) || W <- lists:seq(1, 4)],
    [receive done -> ok end || _ <- Workers],
    {ets:info(Table, size), ets:foldl(fun({_, Text, _}, Sum) -> Sum + length(Text) end, 0, Table)}.

groups(N) ->
    lists:foldl(fun(I, Map) -> maps:update_with(I rem 97, fun(L) -> [I | L] end, [I], Map) end,
                #{}, lists:seq(1, N * 10)).

expressions(N) ->
    Text = iolist_to_binary([[integer_to_binary(I * 7919 rem 10007), " "] || I <- lists:seq(1, N)]),
    {match, Found} = re:run(Text, "\\b(\\d)\\d*\\1\\b", [global, {capture, first, list}]),
    length(lists:usort(Found)).

parallel(N) ->
    Self = self(),
    [spawn(fun() ->
        Sorted = lists:sort([{I * 7919 rem 10007, integer_to_list(I)} || I <- lists:seq(W, N * 5)]),
        Self ! {W, erlang:phash2(Sorted)}
    end) || W <- lists:seq(1, 8)],
    [receive {W, Hash} -> Hash end || W <- lists:seq(1, 8)].

%% Modules made, compiled, loaded, used and purged.
loaded(N) ->
    lists:sum([begin
        Text = lists:flatten(io_lib:format("f(X) -> lists:map(fun(Y) -> Y * ~b end, X).", [I])),
        {ok, Tokens, _} = erl_scan:string(Text),
        {ok, Form} = erl_parse:parse_form(Tokens),
        {ok, made, Code} = compile:forms([{attribute, 1, module, made},
                                          {attribute, 1, export, [{f, 1}]}, Form]),
        {module, made} = code:load_binary(made, "made", Code),
        Sum = lists:sum(made:f([1, 2, 3])),
        code:purge(made),
        Sum
    end || I <- lists:seq(1, N div 50)]).
