from hypothesis import settings, given, HealthCheck, target
from collections import Counter
import tests.simulator.engine.test_conservation as t
C=Counter()
@settings(max_examples=1500, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(t.flags, t.flags, t.steps)
def test_x(h,i,s):
    d=t.play(h,i,s)
    fr=d.frames()
    for f in fr:
        C[t.brief(f)]+=1
        if f['e']=='ORDER_TRADE_UPDATE': C['er'+f['o']['er']]+=1
    target(float(len([f for f in fr if f['e']=='TRADE_LITE'])))
def test_y():
    test_x(); print(C)
