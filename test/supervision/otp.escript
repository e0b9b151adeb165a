#!/usr/bin/env escript
%% Runs scenarios under a supervisor of Erlang/OTP and prints, a line each, what an observer of its children sees. The terms of the
%% file: {Strategy, Intensity, AutoShutdown, [{Id, Restart, Significant}], [{Id, FailedStarts}], [Command]}.
-module(otp).
-mode(compile).
-behaviour(supervisor).
-export([main/1, start_child/1, init/1, handle_call/3, handle_cast/2, terminate/2]).

main([File]) ->
    process_flag(trap_exit, true),
    logger:set_primary_config(level, none),
    ets:new(log, [named_table, public, ordered_set]),
    ets:new(failures, [named_table, public]),
    persistent_term:put(clock, atomics:new(1, [])),
    {ok, Scenarios} = file:consult(File),
    lists:foreach(fun(Scenario) -> io:format("~s~n", [run(Scenario)]) end, Scenarios).

run({Strategy, Intensity, AutoShutdown, Specs, Failures, Commands}) ->
    ets:delete_all_objects(log),
    ets:delete_all_objects(failures),
    ets:insert(failures, Failures),
    Flags = #{strategy => Strategy, intensity => Intensity, period => 3600, auto_shutdown => AutoShutdown},
    case supervisor:start_link(?MODULE, {supervisor, Flags, [spec(Spec) || Spec <- Specs]}) of
        {ok, Sup} ->
            lists:foreach(fun(Command) -> command(Sup, Command) end, Commands),
            case is_process_alive(Sup) of
                true -> note("end"), exit(Sup, shutdown), receive {'EXIT', Sup, _} -> ok end;
                false -> note("down"), receive {'EXIT', Sup, _} -> ok end
            end;
        {error, _} ->
            receive {'EXIT', _, _} -> ok end,
            note("down")
    end,
    lists:join(", ", [Text || {_, Text} <- ets:tab2list(log)]).

spec({Id, Restart, Significant}) ->
    #{id => Id, start => {?MODULE, start_child, [Id]}, restart => Restart, significant => Significant, shutdown => 5000}.

command(Sup, Command) ->
    case is_process_alive(Sup) of
        false -> ok;
        true ->
            try do(Sup, Command) catch exit:_ -> ok end,
            settle(Sup, none)
    end.

do(Sup, {die, Id, How}) ->
    case lists:keyfind(Id, 1, supervisor:which_children(Sup)) of
        {_, Pid, _, _} when is_pid(Pid) ->
            Ref = monitor(process, Pid),
            gen_server:cast(Pid, How),
            receive {'DOWN', Ref, process, Pid, _} -> ok end,
            settle(Sup, Pid);
        _ -> ok
    end;
do(_Sup, {fail, Id, Times}) -> ets:insert(failures, {Id, Times});
do(Sup, {start, Spec}) -> supervisor:start_child(Sup, spec(Spec));
do(Sup, {terminate, Id}) -> supervisor:terminate_child(Sup, Id), supervisor:delete_child(Sup, Id).

%% Until the supervisor has heard of this death, and tries no start again.
settle(Sup, Dead) ->
    try supervisor:which_children(Sup) of
        Children ->
            case [x || {_, Pid, _, _} <- Children, Pid =:= Dead orelse Pid =:= restarting] of
                [] -> ok;
                _ -> timer:sleep(1), settle(Sup, Dead)
            end
    catch exit:_ -> ok
    end.

note(Text) -> ets:insert(log, {atomics:add_get(persistent_term:get(clock), 1, 1), Text}).

start_child(Id) -> gen_server:start_link(?MODULE, {child, Id}, []).

init({supervisor, Flags, Specs}) -> {ok, {Flags, Specs}};
init({child, Id}) ->
    process_flag(trap_exit, true),
    case ets:lookup(failures, Id) of
        [{_, Left}] when Left > 0 ->
            ets:insert(failures, {Id, Left - 1}),
            note(["fail ", atom_to_list(Id)]),
            {stop, failed};
        _ ->
            note(["start ", atom_to_list(Id)]),
            {ok, Id}
    end.

handle_call(_, _, Id) -> {reply, ok, Id}.
handle_cast(normal, Id) -> {stop, normal, Id};
handle_cast(crash, Id) -> {stop, crashed, Id}.
terminate(_, Id) -> note(["stop ", atom_to_list(Id)]).
